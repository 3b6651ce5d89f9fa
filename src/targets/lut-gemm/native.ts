import type { Kernels } from "../../kernels/kernels.js";
import type { NativeAddon } from "../../kernels/native-addon.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { SignWeight } from "./layout.js";

/** The same bits as `multiply` of arithmetic.ts, by the addon. */
export async function multiplyNative(
  input: Matrix,
  weight: SignWeight,
  native: NativeAddon,
  kernels: Kernels,
): Promise<Matrix> {
  const { rows, columns, group, planes, kTile, words, alpha, bias } = weight;
  const out = matrix(input.rows, rows);
  await native.lutGemmMultiply(
    kernels.path,
    kernels.threads,
    Uint32Array.of(rows, columns, group, planes, kTile),
    input.data,
    words,
    alpha,
    bias ?? new Uint8Array(0),
    out.data,
  );
  return out;
}
