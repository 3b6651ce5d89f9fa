import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KernelPath } from "../../src/kernels/kernels.js";
import { addonPath, openKernels } from "../../src/kernels/open.js";
import { floatDtypes } from "../../src/tensor/dtype.js";

const reference = openKernels({ path: "reference" });
const paths = openKernels().native?.paths() ?? [];
const each = paths.flatMap((path) => [1, 3].map((threads) => ({ path, threads })));

/** Weights of several scales, with exact ties (multiples of 1/8), zeros and outliers among them. */
const weights = (group: number) =>
  fc
    .array(
      fc.oneof(
        fc.float({ min: -4, max: 4, noNaN: true }),
        fc.integer({ min: -16, max: 16 }).map((eighths) => eighths / 8),
        fc.constant(0),
        fc.float({ min: Math.fround(-1e-6), max: Math.fround(1e-6), noNaN: true }),
      ),
      { minLength: group, maxLength: 40 * group },
    )
    .map((values) => Float32Array.from(values.slice(0, values.length - (values.length % group))));

test("the addon is built, or this machine has no compiler", () => {
  expect(addonPath() === null ? [] : paths).toEqual(paths);
  if (addonPath() !== null) expect(paths).toContain("portable");
});

describe.each(each)("native $path with $threads threads gives the reference's bits", ({ path, threads }) => {
  const native = openKernels({ path: path as KernelPath, threads });

  test.each(floatDtypes)("widen %s", async (dtype) => {
    const everyPattern = Uint8Array.from({ length: 1 << 17 }, (_, i) => (i >> 1) >> ((i & 1) * 8));
    const [a, b] = await Promise.all([
      native.widen(dtype, everyPattern),
      reference.widen(dtype, everyPattern),
    ]);
    const payloadFree = (values: Float32Array) =>
      values.map((value) => (Number.isNaN(value) ? Number.NaN : value));
    expect(payloadFree(a)).toEqual(payloadFree(b));
  });

  test("round-to-nearest, every bit width, symmetry and clipping", async () => {
    await fc.assert(
      fc.asyncProperty(
        weights(8),
        fc.integer({ min: 2, max: 8 }),
        fc.boolean(),
        fc.boolean(),
        async (w, bits, symmetric, clip) => {
          const task = { group: 8, bits, symmetric, clip };
          expect(await native.roundToNearest(w, task)).toEqual(await reference.roundToNearest(w, task));
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  test("ternary, every rule", async () => {
    await fc.assert(
      fc.asyncProperty(weights(6), fc.constantFrom("absmean", "twn", "twn-exact"), async (w, rule) => {
        expect(await native.ternary(w, 6, rule)).toEqual(await reference.ternary(w, 6, rule));
      }),
      { numRuns: 200, seed: 2 },
    );
  });

  test("trit-planes, one to three planes", async () => {
    await fc.assert(
      fc.asyncProperty(weights(16), fc.integer({ min: 1, max: 3 }), async (w, planes) => {
        expect(await native.tritPlanes(w, 16, planes)).toEqual(await reference.tritPlanes(w, 16, planes));
      }),
      { numRuns: 150, seed: 3 },
    );
  });

  test("binary coding, one to four planes, with and without an offset", async () => {
    const task = fc.record({ planes: fc.integer({ min: 1, max: 4 }), offset: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(weights(12), task, async (w, chosen) => {
        const all = { group: 12, ...chosen };
        expect(await native.bcq(w, all)).toEqual(await reference.bcq(w, all));
      }),
      { numRuns: 150, seed: 4 },
    );
  });
});
