import type { Kernels } from "../../kernels/kernels.js";
import type { NativeAddon } from "../../kernels/native-addon.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import { blockTypeNames } from "./blocks.js";
import type { Blocks } from "./layout.js";

/** The same bits as `multiply` of arithmetic.ts, by the addon. */
export async function multiplyNative(
  input: Matrix,
  { rows, columns, type, bytes }: Blocks,
  native: NativeAddon,
  kernels: Kernels,
): Promise<Matrix> {
  const out = matrix(input.rows, rows);
  await native.ggmlMultiply(
    kernels.path,
    kernels.threads,
    blockTypeNames.indexOf(type.name),
    rows,
    columns,
    bytes,
    input.data,
    out.data,
  );
  return out;
}
