import fc from "fast-check";
import { expect } from "vitest";
import type { WeightScheme } from "../../../src/schemes/scheme.js";
import type { VectorsScheme } from "../../../src/schemes/vectors.js";
import { integers } from "../random-weights.js";

/** Sizes of a linear that the target takes. */
export interface TabledShape {
  readonly rows: number;
  readonly columns: number;
  readonly blocks: number;
  readonly bits: 4 | 8;
  readonly scales: number;
}

/** Sizes of few blocks of any number of rows; a row of lanes is 32 inputs. */
export function shapesUpTo(
  most: Readonly<Record<"blocks" | "blockRows" | "rowsOfLanes", number>>,
): fc.Arbitrary<TabledShape> {
  return fc
    .record({
      blocks: fc.integer({ min: 1, max: most.blocks }),
      blockRows: fc.integer({ min: 1, max: most.blockRows }),
      rowsOfLanes: fc.integer({ min: 1, max: most.rowsOfLanes }),
      bits: fc.constantFrom(4 as const, 8 as const),
      scalesOfBlock: fc.boolean(),
    })
    .map(({ blocks, blockRows, rowsOfLanes, bits, scalesOfBlock }) => ({
      rows: blocks * blockRows,
      columns: 32 * rowsOfLanes,
      ...{ blocks, bits, scales: scalesOfBlock ? blocks : 1 },
    }));
}

/** A weight with tables: every id, entry, centroid and scale at random. */
export function randomTabled({ rows, columns, blocks, bits, scales }: TabledShape, seed: number) {
  const next = integers(seed);
  const positions = columns / 2;
  const real = () => (next(20001) - 10000) / 3000;
  const filled = <Values extends Uint8Array | Float32Array>(values: Values, value: () => number) => {
    for (let i = 0; i < values.length; i++) values[i] = value();
    return values;
  };
  return {
    scheme: "vectors",
    ...{ rows, columns, vector: 2, centroids: 16, blocks, inputs: 64 },
    table: { bits, scales },
    ids: filled(new Uint8Array(positions * rows), () => next(16)),
    codebooks: null,
    inputCodebooks: filled(new Float32Array(positions * 64 * 2), real),
    products: {
      entries: filled(new Uint8Array(positions * blocks * 64 * 16), () => next(2 ** bits)),
      scales: filled(new Float32Array(scales), () => 0.001 + next(1000) / 1e5),
      biases: filled(new Float32Array(scales), real),
    },
  } satisfies VectorsScheme;
}

/** Holds two weights against each other, field by field, arrays by their bytes. */
export function expectSameWeight(found: WeightScheme, asked: WeightScheme): void {
  expect(asBytes(found)).toEqual(asBytes(asked));
}

function asBytes(value: unknown): unknown {
  if (ArrayBuffer.isView(value))
    return `${value.constructor.name} ${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")}`;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, asBytes(each)]));
}
