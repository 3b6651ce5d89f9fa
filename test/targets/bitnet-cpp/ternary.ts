import fc from "fast-check";
import type { PlanesScheme } from "../../../src/schemes/planes.js";
import { randomPlanes } from "../random-weights.js";

/** One trit plane with one scale. */
export function ternary(shape: { rows: number; columns: number }, seed: number): PlanesScheme {
  return randomPlanes({ ...shape, granularity: "tensor", planes: 1 }, seed);
}

type Fitting = fc.Arbitrary<{ shape: { rows: number; columns: number }; chosen: object }>;

const multiples = (of: number, least: number, most: number) =>
  fc.integer({ min: least, max: most }).map((count) => of * count);

/** Shapes and tiles that fit, by kernel. */
export const anyWeight: Record<string, Fitting> = {
  "i2_s-x86": fc.record({
    shape: fc.record({ rows: fc.integer({ min: 2, max: 21 }), columns: multiples(128, 1, 5) }),
    chosen: fc.constant({}),
  }),
  "i2_s-arm": fc.record({
    shape: fc.record({ rows: fc.integer({ min: 2, max: 21 }), columns: multiples(64, 1, 9) }),
    chosen: fc.constant({}),
  }),
  tl1: fc.record({
    shape: fc.record({ rows: fc.constantFrom(64, 192), columns: fc.constantFrom(128, 384) }),
    chosen: fc.record({
      tileRows: fc.constantFrom("auto", 64),
      tileInputs: fc.constantFrom("auto", 32, 64, 128),
      stripRows: fc.constantFrom("auto", 32, 64),
    }),
  }),
  tl2: fc.record({
    shape: fc.record({ rows: multiples(32, 1, 3), columns: multiples(32, 8, 13) }),
    chosen: fc.record({
      tileRows: fc.constantFrom("auto", 32),
      tileInputs: fc.constantFrom("auto", 96, 192),
    }),
  }),
};
