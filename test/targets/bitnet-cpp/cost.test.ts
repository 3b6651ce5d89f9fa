import { describe, expect, test } from "vitest";
import type { GridOutline } from "../../../src/schemes/scheme.js";
import { bitnetCppCost } from "../../../src/targets/bitnet-cpp/cost.js";
import { parameters } from "../../../src/targets/bitnet-cpp/layout.js";
import { cpuDevice, gpuDevice } from "../device-of.js";

const rows = 3200;
const columns = 8640; // 90 tiles of 96
const weight = (inputs = columns): GridOutline => ({
  ...{ scheme: "planes", alphabet: "trits", planes: 1, rows, columns: inputs, group: inputs, scaleRows: 1 },
});
type Kernel = "i2_s-x86" | "i2_s-arm" | "tl1" | "tl2";
const product = (kernel: Kernel, inputs = columns, tokens = 1) => ({
  ...{ weight: weight(inputs), activation: { scheme: "int8", per: "token" } as const, tokens },
  parameters: parameters.parse({ kernel }),
});
const costOf = (kernel: Kernel, inputs = columns, tokens = 1) =>
  bitnetCppCost.of(product(kernel, inputs, tokens), cpuDevice(/x86|tl2/.test(kernel) ? "avx2" : "neon"), {});

describe("the paper's element-wise lookups: N · K / g a token, tables of C^g", () => {
  test("TL1 has g = 2: half a lookup a weight, and 9 entries a table", () => {
    const cost = costOf("tl1", columns, 5);
    expect(cost.lookups).toBe((5 * rows * columns) / 2);
    expect(cost.stages[0][0].cycles).toBe(((5 * columns) / 2) * (9 / 8 / 2)); // eight INT16 an addition, two a cycle
  });

  test("TL2 has g = 3: a third of a lookup a weight, and half of 27 entries", () => {
    const cost = costOf("tl2");
    expect(cost.lookups).toBe((rows * columns) / 3);
    expect(cost.stages[0][0].cycles).toBe((columns / 3) * (14 / 16 / 2));
  });

  test("inputs that are no whole tiles are pairs in TL2", () => {
    expect(costOf("tl2", 3200).lookups).toBe(rows * (3168 / 3 + 32 / 2)); // 33 tiles of 96 and 32 inputs
  });

  test("I2_S looks up nothing and multiplies", () => {
    const cost = costOf("i2_s-arm", 3200);
    expect(cost.lookups).toBe(0);
    expect(cost.stages[0][0]).toEqual({
      name: "multiply-add",
      cycles: (rows * 3200 * 11) / 64 / 2,
      busy: "units",
    });
  });
});

test("bytes are those of the packs: 2 bits a weight, in TL2 5 / 3 but for 256 inputs", () => {
  expect(costOf("tl1").bytes.weights).toBe((rows * columns) / 4);
  expect(costOf("i2_s-arm", 3200).bytes.weights).toBe((rows * 3200) / 4 + 32);
  expect(costOf("tl2").bytes.weights).toBe(
    Math.floor((((columns - 256) * rows) / 3) * (5 / 8) + ((256 * rows) / 2) * (4 / 8)),
  );
});

test("an ARM core without the dot product multiplies more slowly", () => {
  const device = cpuDevice("neon");
  const without = { ...device, units: { ...device.units, dotProduct: false } as typeof device.units };
  const cycles = (on: typeof device) =>
    bitnetCppCost.of(product("i2_s-arm", 3200), on, {}).stages[0][0].cycles;
  expect(cycles(without) / cycles(device)).toBeCloseTo(15 / 11, 12);
});

test("a kernel is written in one instruction set", () => {
  expect(bitnetCppCost.refuse(product("tl2"), cpuDevice("avx2"))).toBe(null);
  expect(bitnetCppCost.refuse(product("tl2"), cpuDevice("neon"))?.fix).toMatch(/kernel=tl1/);
  expect(bitnetCppCost.refuse(product("tl1"), gpuDevice)?.reason).toMatch(/runs on a cpu/);
});
