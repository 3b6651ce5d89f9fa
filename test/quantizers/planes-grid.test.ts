import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planesLevels, planesScheme } from "../../src/quantizers/planes-grid.js";
import { signsOutline, tritsOutline } from "../../src/schemes/planes.js";
import { scaleGrid } from "../../src/schemes/scale-grid.js";
import { dequantize } from "../../src/schemes/weights.js";
import { integers, seeds } from "../targets/random-weights.js";

const floats = (...values: number[]) => Float32Array.from(values);

test("levels are all sums of the planes, rising", () => {
  expect([...planesLevels("trits", 2, floats(3, 1), null).levels]).toEqual([-4, -3, -2, -1, 0, 1, 2, 3, 4]);
  expect([...planesLevels("trits", 2, floats(1.5, 1), null).levels]).toEqual([
    -2.5, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2.5,
  ]);
  expect([...planesLevels("signs", 2, floats(3, 1), floats(0.5)).levels]).toEqual([-3.5, -1.5, 2.5, 4.5]);
});

test("of choices that come to one level that with the fewest trits counts, whichever code names it", () => {
  const fitted = planesLevels("trits", 2, floats(1, 1), null); // 1 − 1 = 0, 0 + 1 = 1 + 0
  expect([...fitted.levels]).toEqual([-2, -1, -1, 0, 0, 0, 1, 1, 2]);
  const outline = tritsOutline(2, scaleGrid(1, 9, "row"));
  const { codes } = planesScheme(
    outline,
    Uint8Array.from({ length: 9 }, (_, code) => code),
    [fitted],
  ) as {
    codes: Int8Array;
  };
  expect([...codes.subarray(0, 9)]).toEqual([-1, 0, 0, 0, 0, 0, 0, 0, 1]);
  expect([...codes.subarray(9)]).toEqual([-1, -1, -1, 0, 0, 0, 1, 1, 1]);
});

describe("a code's scheme has its level, to the last bit,", () => {
  test.each(["trits", "signs"] as const)("of %s", (alphabet) => {
    fc.assert(
      fc.property(
        fc.record({
          seed: seeds,
          planes: fc.integer({ min: 1, max: 3 }),
          rows: fc.integer({ min: 1, max: 5 }),
          groups: fc.integer({ min: 1, max: 3 }),
          size: fc.integer({ min: 1, max: 6 }),
          offset: fc.boolean(),
        }),
        ({ seed, planes, rows, groups, size, offset }) => {
          const next = integers(seed);
          const value = () => (next(64) - 8) / 32;
          const withOffset = offset && alphabet === "signs";
          const fitted = Array.from({ length: groups }, () =>
            planesLevels(
              alphabet,
              planes,
              Float32Array.from({ length: planes * rows }, value),
              withOffset ? Float32Array.from({ length: rows }, value) : null,
            ),
          );
          const grid = scaleGrid(rows, groups * size, size);
          const outline =
            alphabet === "trits" ? tritsOutline(planes, grid) : signsOutline(planes, withOffset, grid);
          const count = (alphabet === "trits" ? 3 : 2) ** planes;
          const codes = Uint8Array.from({ length: rows * groups * size }, () => next(count));
          const { data } = dequantize(planesScheme(outline, codes, fitted));
          for (const [at, code] of codes.entries()) {
            const [row, column] = [Math.floor(at / (groups * size)), at % (groups * size)];
            // A level of −0 is one of 0.
            expect(data[at] + 0).toBe(fitted[Math.floor(column / size)].levels[row * count + code] + 0);
          }
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  });
});
