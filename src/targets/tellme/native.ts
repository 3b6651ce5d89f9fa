import type { Kernels, NativeAddon } from "../../kernels/kernels.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { Planes } from "./arithmetic.js";

/** The same bits as `multiply` of arithmetic.ts: the sums are exact integers, so the addon may form them otherwise. */
export async function multiplyNative(
  input: Matrix,
  { rows, columns, order, words, scales }: Planes,
  native: NativeAddon,
  kernels: Kernels,
): Promise<Matrix> {
  const out = matrix(input.rows, rows);
  await native.tellmeMultiply(
    kernels.path,
    kernels.threads,
    rows,
    columns,
    order === "first-least-significant",
    words,
    scales,
    input.data,
    out.data,
  );
  return out;
}
