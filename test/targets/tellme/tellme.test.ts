import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import { quantizeToken } from "../../../src/schemes/activation.js";
import { packPlanes } from "../../../src/targets/tellme/layout.js";
import { tellme } from "../../../src/targets/tellme/tellme.js";
import { randomInput, randomInt, randomPlanes, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });
const orders = ["first-least-significant", "first-most-significant"] as const;
const int8 = { scheme: "int8", per: "token" } as const;

describe("a word", () => {
  const ternary = (trits: readonly number[]) => ({
    ...randomPlanes({ rows: 1, columns: trits.length, granularity: "tensor", planes: 1 }, 1),
    codes: Int8Array.from(trits),
  });

  test("of all zeros is 28 times code 13 in 140 of 144 bits", () => {
    const { bytes } = packPlanes(ternary(new Array(84).fill(0)), "first-least-significant")["plane0.index"];
    const word = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    let expected = 0n;
    for (let t = 0; t < 28; t++) expected |= 13n << BigInt(5 * t);
    expect(word).toBe(expected);
    expect(bytes.length).toBe(18);
  });

  test("holds weights (+1, 0, −1) as 2 + 1·3 + 0·9 = 5, or as 2·9 + 1·3 + 0 = 21", () => {
    const padded = [1, 0, -1];
    const [least, most] = orders.map(
      (order) => packPlanes(ternary(padded), order)["plane0.index"].bytes[0] & 31,
    );
    expect([least, most]).toEqual([5, 21]);
  });

  test("is padded with zero weights, code 13", () => {
    const { bytes } = packPlanes(ternary([1, 1, 1]), "first-least-significant")["plane0.index"];
    expect(((bytes[0] | (bytes[1] << 8)) >> 5) & 31).toBe(13);
  });
});

test("unpack gives back what was packed", () => {
  const shape = fc.record({
    rows: fc.integer({ min: 2, max: 9 }),
    columns: fc.integer({ min: 1, max: 200 }),
    planes: fc.integer({ min: 1, max: 2 }),
  });
  fc.assert(
    fc.property(shape, seeds, fc.constantFrom(...orders), (chosen, seed, digitOrder) => {
      const weight = randomPlanes({ ...chosen, granularity: "tensor" }, seed);
      expect(tellme.unpack(tellme.pack(weight, { digitOrder }))).toEqual(weight);
    }),
    { numRuns: 60, seed: 1 },
  );
});

test("sums are the exact integers of a plain dot product, dequantized to float16", async () => {
  const weight = randomPlanes({ rows: 5, columns: 100, granularity: "tensor", planes: 1 }, 3);
  const input = randomInput(2, 100, 4);
  const out = await tellme.open(tellme.pack(weight, { digitOrder: orders[0] }), reference).multiply(input);
  for (let token = 0; token < 2; token++) {
    const { codes, scale } = quantizeToken(input.data.subarray(token * 100, (token + 1) * 100));
    for (let row = 0; row < 5; row++) {
      let sum = 0;
      for (let k = 0; k < 100; k++) sum += codes[k] * weight.codes[row * 100 + k];
      const exact = (sum * weight.scales[0]) / scale;
      expect(Math.abs(out.data[token * 5 + row] - exact)).toBeLessThanOrEqual(Math.abs(exact) * 2 ** -10);
    }
  }
});

test("a token is quantized by its largest magnitude, half to even", () => {
  // 127 / 2 = 63.5 a unit: 1 → 63.5 → 64 (even), −1 → −64, 0.5 → 31.75 → 32.
  expect([...quantizeToken(Float32Array.of(2, 1, -1, 0.5)).codes]).toEqual([127, 64, -64, 32]);
});

const paths = openKernels().native?.paths() ?? [];

test.each(paths.flatMap((path) => [1, 3].map((threads) => ({ path, threads }))))(
  "native $path with $threads threads gives the reference's bits",
  async ({ path, threads }) => {
    const native = openKernels({ path, threads });
    const shape = fc.record({
      rows: fc.integer({ min: 2, max: 70 }),
      columns: fc.integer({ min: 1, max: 300 }),
      planes: fc.integer({ min: 1, max: 2 }),
      tokens: fc.integer({ min: 1, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, seeds, fc.constantFrom(...orders), async (chosen, seed, digitOrder) => {
        const packed = tellme.pack(randomPlanes({ ...chosen, granularity: "tensor" }, seed), { digitOrder });
        const input = randomInput(chosen.tokens, chosen.columns, seed);
        const found = await tellme.open(packed, native).multiply(input);
        expect(found.data).toEqual((await tellme.open(packed, reference).multiply(input)).data);
      }),
      { numRuns: 40, seed: 2 },
    );
  },
);

describe("what does not fit is refused", () => {
  const planes = randomPlanes({ rows: 4, columns: 64, granularity: 32, planes: 1 }, 1);

  test("group scales", () => {
    expect(tellme.refuse(planes, int8, { digitOrder: orders[0] })?.fix).toContain("group: tensor");
  });

  test("integer codes", () => {
    const weight = randomInt({ rows: 4, columns: 64, granularity: "tensor", bits: 2, symmetric: true }, 1);
    expect(tellme.refuse(weight, int8, { digitOrder: orders[0] })?.reason).toContain("int");
  });

  test("float activations", () => {
    expect(tellme.refuse(planes, { scheme: "float" }, { digitOrder: orders[0] })?.fix).toContain(
      "activation",
    );
  });
});
