import { readFileSync } from "node:fs";
import { packagePath } from "../../../src/package.js";
import type { IntScheme } from "../../../src/schemes/int.js";
import type { Dtype } from "../../../src/tensor/dtype.js";
import type { Tensors } from "../../../src/tensor/tensor.js";

/** A linear as a library packed it: ../../fixtures/make_stored.py made it, and has the formulas below. */
export interface StoredCase {
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly symmetric: boolean;
  readonly group: number;
  readonly tensors: Tensors;
}

export function storedCases(format: string): readonly StoredCase[] {
  const cases = JSON.parse(readFileSync(packagePath("test/fixtures/stored.json"), "utf8"))[
    format
  ] as (StoredCase & { tensors: object })[];
  return cases.map((each) => ({ ...each, tensors: tensorsOf(each.tensors as never) }));
}

function tensorsOf(stored: Record<string, { dtype: Dtype; shape: number[]; hex: string }>): Tensors {
  return Object.fromEntries(
    Object.entries(stored).map(([name, { dtype, shape, hex }]) => [
      name,
      { dtype, shape, bytes: new Uint8Array(Buffer.from(hex, "hex")) },
    ]),
  );
}

/** The scheme that a case holds. */
export function computedScheme({
  rows,
  columns,
  bits,
  symmetric,
  group,
}: Omit<StoredCase, "tensors">): IntScheme {
  const groups = columns / group;
  const grid = <T>(length: number, value: (n: number, i: number) => T) =>
    Array.from({ length: rows * length }, (_, at) => value(Math.floor(at / length), at % length));
  return {
    scheme: "int",
    bits,
    symmetric,
    rows,
    columns,
    group,
    scaleRows: rows,
    codes: Uint8Array.from(grid(columns, (n, k) => (7 * n + 3 * k + Math.floor((n * k) / 5)) % 2 ** bits)),
    scales: Float32Array.from(grid(groups, (n, j) => (1 + ((n + j) % 7)) / 64)),
    zeroPoints: symmetric
      ? null
      : Uint8Array.from(grid(groups, (n, j) => 1 + ((5 * n + 3 * j) % (2 ** bits - 1)))),
  };
}

export function computedTrits({ rows, columns }: Pick<StoredCase, "rows" | "columns">): Int8Array {
  return Int8Array.from({ length: rows * columns }, (_, at) => {
    const [n, k] = [Math.floor(at / columns), at % columns];
    return ((n + 2 * k + Math.floor((n * k) / 7)) % 3) - 1;
  });
}
