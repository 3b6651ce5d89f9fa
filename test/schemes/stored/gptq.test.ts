import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { gptq } from "../../../src/schemes/stored/gptq.js";
import { packGptq } from "../../../src/schemes/stored/gptq-layout.js";
import { dequantize, outlineOf } from "../../../src/schemes/weights.js";
import type { TensorBytes, Tensors } from "../../../src/tensor/tensor.js";
import { randomInt, seeds } from "../../targets/random-weights.js";
import { computedScheme, storedCases } from "./computed.js";
import { bytes, floats, integers, sourceOf } from "./stored-source.js";

const config = { quant_method: "gptq", bits: 4 };
const name = "model.layers.0.mlp.up_proj";

async function open(tensors: Tensors, changes: object = {}) {
  const linears = await gptq.open(sourceOf({ [name]: tensors }), { ...config, ...changes }, "config.json");
  return linears.get(name)!;
}

const cases = storedCases("gptq");

describe.each(cases)(
  "$bits bits, group $group, symmetric $symmetric, packed by AutoGPTQ",
  ({ tensors, ...shape }) => {
    test("is read as the scheme that went in", async () => {
      const linear = await open(tensors, { bits: shape.bits });
      expect(await linear.scheme()).toEqual(computedScheme(shape));
      expect(await linear.outline()).toEqual(outlineOf(computedScheme(shape)));
    });

    test("is packed into the same bytes", () => {
      expect(packGptq(computedScheme(shape), "gptq")).toEqual(tensors);
    });
  },
);

const shapes = fc.record({
  rows: fc.constantFrom(32, 96),
  columns: fc.constantFrom(64, 192),
  granularity: fc.constantFrom(32 as const, 64 as const, "row" as const),
  bits: fc.constantFrom(2, 3, 4, 8),
  symmetric: fc.boolean(),
});

test("version 2 holds any zero point: reading gives the scheme that was packed", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, seeds, async (shape, seed) => {
      const weight = randomInt(shape, seed);
      const linear = await open(packGptq(weight, "gptq_v2"), {
        bits: shape.bits,
        checkpoint_format: "gptq_v2",
      });
      expect(await linear.scheme()).toEqual(weight);
    }),
    { numRuns: 20 },
  );
});

const [, , , fourBits] = cases;

test("the same words mean zero points one higher in version 1", async () => {
  const zeros = async (version: object) => {
    const scheme = await (await open(fourBits.tensors, version)).scheme();
    return scheme.scheme === "int" ? scheme.zeroPoints : null;
  };
  const second = await zeros({ format: "gptq_v2" });
  expect(await zeros({})).toEqual(second?.map((zero) => zero + 1));
});

test("version 1 has no place for the zero point 0", () => {
  const weight = randomInt({ rows: 32, columns: 32, granularity: 32, bits: 4, symmetric: false }, 1);
  expect(() => packGptq({ ...weight, zeroPoints: new Uint8Array(32) }, "gptq")).toThrow("a zero point is 0");
});

describe("inputs that were sorted by their activations", () => {
  const groupOf = Int32Array.from({ length: fourBits.columns }, (_, k) => (k * 5) % 3);
  const sorted: Tensors = { ...fourBits.tensors, g_idx: integers([...groupOf]) };

  test("are no scheme: the linear is named", async () => {
    await expect((await open(sorted)).outline()).rejects.toThrow(
      `${name} was quantized in the order of its activations`,
    );
    await expect((await open(sorted)).scheme()).rejects.toMatchObject({
      fix: expect.stringContaining("desc_act: false"),
    });
  });

  test("are dequantized by the group of each", async () => {
    const { rows, columns, group, codes, scales, zeroPoints } = computedScheme(fourBits);
    const groups = columns / group;
    const expected = Float32Array.from(codes, (code, at) => {
      const scale = Math.floor(at / columns) * groups + groupOf[at % columns];
      return scales[scale] * (code - zeroPoints![scale]);
    });
    const weights = await (await open(sorted)).weights();
    expect(weights({ first: 0, last: rows }).data).toEqual(expected);
    expect(weights({ first: 5, last: 7 }).data).toEqual(expected.slice(5 * columns, 7 * columns));
  });
});

test("rows are dequantized as the whole weight is", async () => {
  const whole = dequantize(computedScheme(fourBits)).data;
  const weights = await (await open(fourBits.tensors)).weights();
  expect(weights({ first: 3, last: 20 }).data).toEqual(whole.slice(3 * 96, 20 * 96));
});

describe("scales", () => {
  const count = 3 * 32;
  const scaled = (scales: TensorBytes) => open({ ...fourBits.tensors, scales });

  test("in bfloat16 that float16 holds make an ordinary scheme", async () => {
    // 0x3C80 is 2^-6 in bfloat16.
    const linear = await scaled(
      bytes(
        "BF16",
        Array.from({ length: 2 * count }, (_, i) => (i % 2 ? 0x3c : 0x80)),
        [3, 32],
      ),
    );
    const scheme = await linear.scheme();
    expect(scheme.scaleDtype).toBeUndefined();
    expect(scheme.scales.every((scale) => scale === 2 ** -6)).toBe(true);
  });

  test("that float16 cannot hold are carried in float32, exactly", async () => {
    const values = Array.from({ length: count }, (_, i) => Math.fround(0.01 + i / 1000));
    const scheme = await (await scaled(floats(values, [3, 32]))).scheme();
    expect(scheme.scaleDtype).toBe("F32");
    expect(scheme.scales[3 * 7 + 2]).toBe(values[2 * 32 + 7]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("of %s are refused by name", async (wrong) => {
    const linear = await scaled(floats(Array(count).fill(wrong), [3, 32]));
    await expect(linear.outline()).rejects.toThrow(`${name}.scales holds ${wrong}`);
  });
});

test("a stored zero point of all ones is refused in version 1: runtimes disagree about it", async () => {
  const ones = { ...fourBits.tensors, qzeros: bytes("I32", Array(48).fill(0xff), [3, 4]) };
  await expect((await open(ones)).outline()).rejects.toThrow(
    /\.qzeros stores the zero point 15 for output 0/,
  );
  await expect((await open(ones, { checkpoint_format: "gptq_v2" })).outline()).resolves.toMatchObject({
    bits: 4,
  });
});

test("a bias of zeros, which AutoGPTQ writes for linears without one, belongs to the codes; another does not", async () => {
  const zeros = { ...fourBits.tensors, bias: floats(Array(32).fill(0)) };
  expect((await open(zeros)).tensors).toContain(`${name}.bias`);
  const biased = { ...fourBits.tensors, bias: floats([...Array(31).fill(0), 0.5]) };
  expect((await open(biased)).tensors).not.toContain(`${name}.bias`);
});

test("bits come from the shapes, so that single linears may have others than the configuration", async () => {
  expect(await (await open(cases[5].tensors, { bits: 4 })).outline()).toMatchObject({ bits: 8 });
});

describe("is refused, by name:", () => {
  test.each([
    ["a missing tensor", { scales: undefined }, "scales is missing"],
    ["codes of another dtype", { qweight: floats(Array(96 * 4).fill(0), [12, 32]) }, "qweight is F32"],
    ["codes of another rank", { qweight: integers(Array(384).fill(0)) }, "qweight is I32 [384]"],
    [
      "scales of other outputs",
      { scales: floats(Array(90).fill(1), [3, 30]) },
      "scales has the shape [3, 30]",
    ],
    [
      "zero points of other groups",
      { qzeros: integers(Array(8).fill(0), [2, 4]) },
      "qzeros has the shape [2, 4]",
    ],
    ["zero points of no bits", { qzeros: integers(Array(3).fill(0), [3, 1]) }, "qzeros has the shape [3, 1]"],
    [
      "groups that do not divide",
      { scales: floats(Array(160).fill(1), [5, 32]), qzeros: integers(Array(20).fill(0), [5, 4]) },
      "96 inputs of 4 bits, in 5 groups",
    ],
    ["groups of other inputs", { g_idx: integers([0, 1]) }, "g_idx has the shape [2]"],
    ["no groups", { scales: floats([], [0, 32]), qzeros: integers([], [0, 4]) }, "in 0 groups"],
  ])("%s", async (_, changes, message) => {
    const tensors = Object.fromEntries(
      Object.entries({ ...fourBits.tensors, ...changes }).filter(([, tensor]) => tensor !== undefined),
    ) as Tensors;
    const error = await open(tensors).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(LuthierError);
    expect(error.message).toContain(`${name}.`);
    expect(error.message).toContain(message);
  });

  test.each([
    [{ checkpoint_format: "marlin" }, "checkpoint_format is marlin"],
    [{ format: "gptq_p" }, "checkpoint_format is gptq_p"],
    [{ pack_dtype: "int64" }, "pack_dtype"],
    [{ bits: "four" }, "bits"],
  ])("a configuration with %o", async (changes, message) => {
    await expect(open(fourBits.tensors, changes)).rejects.toThrow(message);
  });
});

test("bytes of any content give a scheme or a LuthierError", async () => {
  const anyBytes = fc.uint8Array({ minLength: 48, maxLength: 48 });
  await fc.assert(
    fc.asyncProperty(anyBytes, fc.constantFrom("gptq", "gptq_v2"), async (qzeros, version) => {
      const tensors = { ...fourBits.tensors, qzeros: bytes("I32", [...qzeros], [3, 4]) };
      const found = await (await open(tensors, { checkpoint_format: version }))
        .scheme()
        .catch((error) => error);
      expect(found instanceof LuthierError || found.scheme === "int").toBe(true);
    }),
    { numRuns: 50 },
  );
});
