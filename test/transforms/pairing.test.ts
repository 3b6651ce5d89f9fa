import fc from "fast-check";
import { expect, test } from "vitest";
import { pairing } from "../../src/transforms/pairing.js";
import { transforms } from "../../src/transforms/registry.js";

const order = (importance: readonly number[]) => [...pairing.order(Float64Array.from(importance))];

const importances = (size: fc.IntegerConstraints) =>
  fc.integer(size).chain((length) =>
    fc.array(fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(0, 1, Number.NEGATIVE_INFINITY)), {
      minLength: length,
      maxLength: length,
    }),
  );

test("the most important comes first and has the least important beside it, then the second of both", () => {
  expect(order([3, 9, 1, 4, 7, 0])).toEqual([1, 5, 4, 2, 3, 0]);
});

test("of an odd number the middle one is last, alone", () => {
  expect(order([5, 1, 3])).toEqual([0, 1, 2]);
  expect(order([2])).toEqual([0]);
  expect(order([])).toEqual([]);
});

test("equal ones keep their order; channels that are always zero are the least", () => {
  const never = Number.NEGATIVE_INFINITY;
  expect(order([1, 1, 1, 1])).toEqual([0, 3, 1, 2]);
  expect(order([never, 2, never, 1])).toEqual([1, 2, 3, 0]);
});

test("every channel occurs once", () => {
  fc.assert(
    fc.property(importances({ min: 0, max: 50 }), (importance) => {
      expect(order(importance).sort((a, b) => a - b)).toEqual([...importance.keys()]);
    }),
  );
});

test("no way to pair channels has a smaller largest sum of a pair", () => {
  const halves = fc.integer({ min: 1, max: 4 });
  const values = halves.chain((pairs) =>
    fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 2 * pairs, maxLength: 2 * pairs }),
  );
  fc.assert(
    fc.property(values, (importance) => {
      const largest = (channels: readonly number[]) =>
        Math.max(
          ...channels.flatMap((channel, at) =>
            at % 2 === 0 ? importance[channel] + importance[channels[at + 1]] : [],
          ),
        );
      const least = Math.min(...pairingsOf([...importance.keys()]).map(largest));
      expect(largest(order(importance))).toBe(least);
    }),
  );
});

test("a transform has a name of its own and says where it comes from", () => {
  expect(new Set(transforms.map(({ name }) => name)).size).toBe(transforms.length);
  for (const { summary, source } of transforms) expect(summary.length * source.length).toBeGreaterThan(0);
});

/** Every way to make pairs of an even number of channels. */
function pairingsOf([first, ...rest]: readonly number[]): readonly (readonly number[])[] {
  if (first === undefined) return [[]];
  return rest.flatMap((other) =>
    pairingsOf(rest.filter((channel) => channel !== other)).map((pairs) => [first, other, ...pairs]),
  );
}
