import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { quantizerOf, targetOf } from "../../src/pipeline/choices.js";
import { loadDevice } from "../../src/recipe/device.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { QuantizeChoice } from "../../src/recipe/schema.js";
import type { ActivationScheme } from "../../src/schemes/scheme.js";
import { outlineOf } from "../../src/schemes/weights.js";
import { targets } from "../../src/targets/registry.js";
import { matrix } from "../../src/tensor/matrix.js";

const [rows, columns] = [512, 768];

/** Target, rule where it is not the typical one, parameters of the image that the hardware reads, device. */
const cases: [string, object | null, object, string][] = [
  ["t-mac", null, {}, "surface-book-3"],
  ["t-mac", null, { float: "float16" }, "m2-ultra"],
  ["t-mac", { quantize: { method: "rtn", bits: 3, group: 64, symmetric: true } }, {}, "surface-book-3"],
  ["t-mac", { quantize: { method: "trit-planes", planes: 2, group: 128 } }, {}, "surface-book-3"],
  ["tellme", null, { image: "packets" }, "kv260"],
  ["lut-tensor-core", null, {}, "a100-lut-4x"],
  ["lut-tensor-core", { quantize: { method: "trit-planes", planes: 2, group: 128 } }, {}, "a100-lut-8x"],
  ["lut-gemm", null, {}, "a100"],
  ["lut-gemm", { quantize: { method: "rtn", bits: 4, group: 128 } }, {}, "a100"],
  ["bitnet-cpp", null, { kernel: "i2_s-x86" }, "i7-13700h"],
  ["bitnet-cpp", null, { kernel: "i2_s-arm" }, "m2-ultra"],
  ["bitnet-cpp", null, { kernel: "tl1" }, "m2-ultra"],
  ["bitnet-cpp", null, { kernel: "tl2" }, "i7-13700h"],
];

describe("weights and scales of a cost are the bytes of the pack", () => {
  test.each(cases)("%s, rule %j, %j", async (name, rule, settings, deviceName) => {
    const target = targets.find((each) => each.name === name);
    if (target?.cost === undefined) throw new Error(`no cost model of ${name}`);
    const recipe = parseRecipe(
      JSON.stringify({
        version: 1,
        rules: [{ match: "*", ...(rule ?? target.typical) }],
        targets: [{ target: name, ...settings }],
      }),
      "case.yaml",
    );
    const { quantizer, options } = quantizerOf(recipe.rules[0].quantize as QuantizeChoice);
    const { parameters } = targetOf(recipe.targets[0]);
    const activation: ActivationScheme = recipe.rules[0].activation ?? { scheme: "float" };
    const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7));
    const weight = await quantizer.quantize(matrix(rows, columns, values), options, openKernels());
    const { tensors } = target.pack(weight, parameters, undefined, activation);
    const packed = Object.values(tensors).reduce((sum, { bytes }) => sum + bytes.length, 0);

    const device = await loadDevice(deviceName);
    const design = target.cost.design.parse(device.designs?.[name] ?? {});
    const product = { weight: outlineOf(weight), activation, parameters, tokens: 1 };
    expect(target.cost.refuse(product, device)).toBe(null);
    const { bytes } = target.cost.of(product, device, design);
    expect(bytes.weights + bytes.scales).toBe(packed);
  });
});
