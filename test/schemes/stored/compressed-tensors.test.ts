import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { packCompressed } from "../../../src/schemes/stored/compressed-layout.js";
import { compressedTensors } from "../../../src/schemes/stored/compressed-tensors.js";
import { outlineOf } from "../../../src/schemes/weights.js";
import type { Tensors } from "../../../src/tensor/tensor.js";
import { randomInt, seeds } from "../../targets/random-weights.js";
import { computedScheme, storedCases } from "./computed.js";
import { bytes, floats, integers, sourceOf } from "./stored-source.js";

const name = "model.layers.0.mlp.up_proj";

function configuration(bits: number, changes: object = {}, group: object = {}) {
  return {
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    config_groups: {
      group_0: {
        targets: ["Linear"],
        weights: { num_bits: bits, type: "int" },
        input_activations: null,
        ...group,
      },
    },
    ...changes,
  };
}

async function open(tensors: Tensors, config: object = configuration(4)) {
  const source = sourceOf({ [name]: tensors });
  return (await compressedTensors.open(source, config as Record<string, unknown>, "config.json")).get(name)!;
}

const cases = storedCases("compressed-tensors");

describe.each(cases)(
  "$bits bits, group $group, symmetric $symmetric, packed by compressed-tensors",
  ({ tensors, ...shape }) => {
    test("is read as the scheme that went in", async () => {
      const linear = await open(tensors, configuration(shape.bits));
      expect(await linear.scheme()).toEqual(computedScheme(shape));
      expect(await linear.outline()).toEqual(outlineOf(computedScheme(shape)));
      expect([...linear.tensors].sort()).toEqual(
        Object.keys(tensors)
          .map((part) => `${name}.${part}`)
          .sort(),
      );
    });

    test("is packed into the same bytes, its scales in float16", () => {
      const { weight_scale: scale, ...others } = packCompressed(computedScheme(shape));
      const { weight_scale: _, ...expected } = tensors;
      expect(others).toEqual(expected);
      expect(scale.dtype).toBe("F16");
    });
  },
);

test("reading gives the scheme that was packed, at any number of bits", async () => {
  const shapes = fc.record({
    rows: fc.constantFrom(32, 96),
    columns: fc.constantFrom(64, 192),
    granularity: fc.constantFrom(32 as const, 64 as const, "row" as const),
    bits: fc.integer({ min: 2, max: 8 }),
    symmetric: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(shapes, seeds, async (shape, seed) => {
      const weight = randomInt(shape, seed);
      expect(await (await open(packCompressed(weight), configuration(shape.bits))).scheme()).toEqual(weight);
    }),
    { numRuns: 25 },
  );
});

const [, , symmetric, asymmetric] = cases;

test("zero points of a byte each, as older versions wrote them", async () => {
  const { zeroPoints } = computedScheme(asymmetric);
  const signed = bytes(
    "I8",
    [...zeroPoints!].map((zero) => zero - 8),
    [32, 1],
  );
  const scheme = await (await open({ ...asymmetric.tensors, weight_zero_point: signed })).scheme();
  expect(scheme).toEqual(computedScheme(asymmetric));
});

test("an order of inputs that is not used is passed over, one that is used makes no scheme", async () => {
  const unused = { ...symmetric.tensors, weight_g_idx: integers(Array(96).fill(-1)) };
  expect(await (await open(unused)).outline()).toMatchObject({ group: 32 });
  const used = { ...symmetric.tensors, weight_g_idx: integers(Array.from({ length: 96 }, (_, k) => k % 3)) };
  await expect((await open(used)).outline()).rejects.toThrow(name);
});

describe("int-quantized: eight bits, a byte each", () => {
  const config = configuration(8, { format: "int-quantized" });
  const codes = [-128, -1, 0, 127, 5, 6, 7, 8];
  const weight = bytes("I8", codes, [2, 4]);

  test("with a scale a row", async () => {
    const scheme = await (await open({ weight, weight_scale: floats([0.5, 2], [2, 1]) }, config)).scheme();
    expect(scheme).toMatchObject({ bits: 8, symmetric: true, group: 4, scaleRows: 2 });
    expect([...scheme.codes]).toEqual(codes.map((code) => code + 128));
  });

  test("with a scale for the tensor, in a vector or alone", async () => {
    for (const scale of [floats([0.3], [1]), floats([0.3], [])]) {
      const linear = await open({ weight, weight_scale: scale }, config);
      expect(await linear.outline()).toMatchObject({ scaleRows: 1, group: 4 });
      expect((await linear.scheme()).scales[0]).toBe(Math.fround(0.3));
    }
  });

  test("with zero points of groups", async () => {
    const tensors = {
      weight,
      weight_scale: floats([1, 2, 3, 4], [2, 2]),
      weight_zero_point: bytes("I8", [-128, 0, 3, 127], [2, 2]),
    };
    const linear = await open(tensors, config);
    expect(await linear.scheme()).toMatchObject({ group: 2, zeroPoints: Uint8Array.of(0, 128, 131, 255) });
    const weights = await linear.weights();
    expect([...weights({ first: 1, last: 2 }).data]).toEqual([
      3 * (5 - 3),
      3 * (6 - 3),
      4 * (7 - 127),
      4 * (8 - 127),
    ]);
  });
});

test("INT8 inputs with a scale a token are what its linears ask for", async () => {
  const input = { num_bits: 8, type: "int", strategy: "token", dynamic: true, symmetric: true };
  const linear = await open(symmetric.tensors, configuration(4, {}, { input_activations: input }));
  expect(linear.activation).toEqual({ scheme: "int8", per: "token" });
  expect((await open(symmetric.tensors)).activation).toEqual({ scheme: "float" });
});

describe("is refused, with the reason:", () => {
  test.each([
    [
      "a float format",
      configuration(4, { format: "nvfp4-pack-quantized" }),
      "the format is nvfp4-pack-quantized",
    ],
    ["float codes", configuration(4, {}, { weights: { num_bits: 4, type: "float" } }), "weights.type"],
    ["sparse weights", configuration(4, { sparsity_config: { format: "sparse-24-bitmask" } }), "sparse"],
    ["rotated inputs", configuration(4, { transform_config: { config_groups: {} } }), "transform_config"],
    ["a quantized cache", configuration(4, { kv_cache_scheme: { num_bits: 8 } }), "kv_cache_scheme"],
    [
      "static activations",
      configuration(4, {}, { input_activations: { num_bits: 8, type: "int", dynamic: false } }),
      "input_activations",
    ],
    [
      "quantized outputs",
      configuration(4, {}, { output_activations: { num_bits: 8 } }),
      "output_activations",
    ],
    ["another number of bits", configuration(8), `${name}.weight_packed has the shape [32, 12]`],
  ])("%s", async (_, config, message) => {
    await expect(open(symmetric.tensors, config)).rejects.toThrow(message);
  });

  test("three bits as older versions packed them, ten a word", async () => {
    const tensors = {
      weight_packed: integers(Array(320).fill(0), [32, 10]),
      weight_scale: floats(Array(32).fill(1), [32, 1]),
      weight_shape: integers([32, 96]),
    };
    await expect(open(tensors, configuration(3))).rejects.toThrow("packed without gaps");
  });

  test.each([
    ["a shape that is none", { weight_shape: integers([-1, 5]) }, "weight_shape holds -1, 5"],
    ["a shape of other rows", { weight_shape: integers([16, 96]) }, "weight_packed has the shape [32, 12]"],
    [
      "a shape of more weights than there are",
      { weight_shape: integers([32, 2 ** 30]) },
      "weight_packed has the shape",
    ],
    ["scales of other rows", { weight_scale: floats([1, 2], [2, 1]) }, "weight_scale has the shape [2, 1]"],
    [
      "groups that do not divide",
      { weight_scale: floats(Array(160).fill(1), [32, 5]) },
      "weight_scale has the shape [32, 5]",
    ],
    ["scales of no float", { weight_scale: integers(Array(96).fill(1), [32, 3]) }, "weight_scale is I32"],
  ])("%s", async (_, changes, message) => {
    await expect(open({ ...symmetric.tensors, ...changes } as Tensors)).rejects.toThrow(`${name}.${message}`);
  });

  test.each([
    ["zero points of another shape", integers([1, 2], [1, 2]), "has the shape [1, 2]"],
    ["zero points beyond their bits", bytes("I8", Array(32).fill(9), [32, 1]), "exceeds 4 bits"],
    ["too few zero points", bytes("I8", [1], [1, 1]), "I8 for 32 scales"],
  ])("%s", async (_, weight_zero_point, message) => {
    const linear = await open({ ...asymmetric.tensors, weight_zero_point });
    const error = await linear.outline().catch((thrown) => thrown);
    expect(error).toBeInstanceOf(LuthierError);
    expect(error.message).toContain(`${name}.weight_zero_point`);
    expect(error.message).toContain(message);
  });
});
