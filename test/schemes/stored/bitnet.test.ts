import { describe, expect, test } from "vitest";
import { bitnet } from "../../../src/schemes/stored/bitnet.js";
import type { Tensors } from "../../../src/tensor/tensor.js";
import { computedTrits, storedCases } from "./computed.js";
import { bytes, floats, sourceOf } from "./stored-source.js";

const name = "model.layers.0.mlp.up_proj";
const autobitlinear = { linear_class: "autobitlinear", quantization_mode: "offline" };

async function open(tensors: Tensors, config: object = autobitlinear) {
  return (
    await bitnet.open(sourceOf({ [name]: tensors }), { quant_method: "bitnet", ...config }, "config.json")
  ).get(name)!;
}

const [{ tensors, ...shape }] = storedCases("bitnet");

test("trits that transformers packed are read as they went in, with one scale for the tensor", async () => {
  expect(await (await open(tensors)).scheme()).toEqual({
    scheme: "planes",
    alphabet: "trits",
    planes: 1,
    rows: 32,
    columns: 96,
    group: 96,
    scaleRows: 1,
    codes: computedTrits(shape),
    scales: Float32Array.of(0.75),
  });
});

test("the example of transformers' unpack_weights", async () => {
  const weight = bytes("U8", [0b10100001, 0b00011000, 0b10010000, 0b00001010], [2, 2]);
  const { codes } = await (await open({ weight, weight_scale: floats([1]) })).scheme();
  expect([...codes]).toEqual([0, -1, -1, 1, -1, 1, -1, 1, 1, 0, 0, -1, 1, -1, 1, -1]);
});

test("AutoBitLinear multiplies by the scale, BitLinear divides by it", async () => {
  const scale = async (config: object) => (await (await open(tensors, config)).scheme()).scales[0];
  expect(await scale(autobitlinear)).toBe(0.75);
  expect(await scale({ linear_class: "bitlinear" })).toBe(Math.fround(4 / 3));
  expect(await scale({})).toBe(Math.fround(4 / 3)); // the default of transformers
});

test("rows are dequantized as the whole weight is", async () => {
  const weights = await (await open(tensors)).weights();
  const expected = Float32Array.from(computedTrits(shape), (trit) => 0.75 * trit || 0);
  expect(weights({ first: 7, last: 30 }).data.map((value) => value || 0)).toEqual(
    expected.slice(7 * 96, 30 * 96),
  );
});

test("the input is INT8 a token", async () => {
  expect((await open(tensors)).activation).toEqual({ scheme: "int8", per: "token" });
});

describe("is refused, by name:", () => {
  test("float masters that the runtime makes ternary", async () => {
    const online = { linear_class: "autobitlinear", quantization_mode: "online" };
    await expect(open(tensors, online)).rejects.toMatchObject({ fix: expect.stringContaining("absmean") });
  });

  test("norms before the linears", async () => {
    await expect(open(tensors, { use_rms_norm: true })).rejects.toThrow("use_rms_norm");
  });

  test("a digit that is no trit", async () => {
    const weight = bytes("U8", [0, 0b00110000], [2, 1]);
    await expect((await open({ weight, weight_scale: floats([1]) })).scheme()).rejects.toThrow(
      `${name}.weight holds the digit 3 in byte 1`,
    );
  });

  test.each([
    ["two scales", { weight_scale: floats([1, 2]) }, `${name}.weight_scale has 2 scales`],
    ["weights that are not packed", { weight: floats([1, 2], [1, 2]) }, `${name}.weight is F32`],
  ])("%s", async (_, changes, message) => {
    await expect(open({ ...tensors, ...changes } as Tensors)).rejects.toThrow(message);
  });

  test("a scale to divide by that is 0", async () => {
    await expect((await open({ ...tensors, weight_scale: floats([0]) }, {})).outline()).rejects.toThrow(
      "weight_scale holds 0",
    );
  });
});
