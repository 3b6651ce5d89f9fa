import fc from "fast-check";
import { type CodedPart, type Part, type PartsScheme, partsOf } from "../../src/schemes/parts.js";
import type { DynamicActivation } from "../../src/schemes/scheme.js";
import { roundToFloat16 } from "../../src/tensor/float.js";
import { integers, randomInt, randomPlanes, randomSigns, seeds } from "../targets/random-weights.js";

/** Any weight in parts: one to four, each of 2 to 12 rows or of 4, 8 or 12 columns. */
export const anyParts: fc.Arbitrary<PartsScheme> = fc
  .tuple(
    fc.constantFrom("rows" as const, "columns" as const),
    fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
    seeds,
  )
  .map(([by, sizes, seed]) => randomParts(by, sizes, seed));

/** @param sizes in units of 4 columns or rows. */
export function randomParts(by: "rows" | "columns", sizes: readonly number[], seed: number): PartsScheme {
  const next = integers(seed + 1);
  const parts = sizes.map((size): Part => {
    const shape = by === "rows" ? { rows: 4 * size, columns: 12 } : { rows: 5, columns: 4 * size };
    const weight = next(4) === 0 ? randomFloat(shape, next) : randomCoded(shape, next);
    if (by === "rows") return { weight };
    return { weight, activation: activations[next(activations.length)] };
  });
  const total = 4 * sizes.reduce((sum, size) => sum + size, 0);
  return partsOf(by, parts, shuffled(total, next));
}

const activations: readonly DynamicActivation[] = [
  { scheme: "float" },
  { scheme: "int8", per: "token" },
  { scheme: "int4", per: 4 },
];

type Next = (bound: number) => number;

function randomCoded(shape: { rows: number; columns: number }, next: Next): CodedPart {
  const granularity = ([4, "row", "tensor"] as const)[next(3)];
  const grid = { ...shape, granularity };
  const kind = next(3);
  if (kind === 0) return randomPlanes({ ...grid, planes: 1 + next(2) }, next(1000));
  if (kind === 1) return randomSigns({ ...grid, planes: 1 + next(2), offset: next(2) === 0 }, next(1000));
  return randomInt({ ...grid, bits: 1 + next(8), symmetric: next(2) === 0 }, next(1000));
}

function randomFloat({ rows, columns }: { rows: number; columns: number }, next: Next): Part["weight"] {
  const dtype = (["F16", "BF16", "F32"] as const)[next(3)];
  const value = () => {
    const any = Math.fround((next(20001) - 10000) / 7000);
    if (dtype === "F16") return roundToFloat16(any);
    return dtype === "BF16" ? upperHalf(any) : any;
  };
  return {
    scheme: "float",
    rows,
    columns,
    dtype,
    values: Float32Array.from({ length: rows * columns }, value),
  };
}

function upperHalf(value: number): number {
  const word = new Uint32Array(Float32Array.of(value).buffer);
  word[0] &= 0xffff0000;
  return new Float32Array(word.buffer)[0];
}

function shuffled(count: number, next: Next): Uint32Array {
  const out = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = next(i + 1);
    [out[i], out[other]] = [out[other], out[i]];
  }
  return out;
}
