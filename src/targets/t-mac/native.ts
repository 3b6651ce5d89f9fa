import type { Kernels } from "../../kernels/kernels.js";
import type { NativeAddon } from "../../kernels/native-addon.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { PassShape } from "./arithmetic.js";
import type { Pass } from "./layout.js";

/** The same bits as `multiply` of arithmetic.ts, by the addon. */
export async function multiplyNative(
  input: Matrix,
  passes: readonly Pass[],
  shape: PassShape,
  native: NativeAddon,
  kernels: Kernels,
): Promise<Matrix> {
  const out = matrix(input.rows, shape.rows);
  const { bits, tileRows, kFactor, activationGroup, rows, columns, group, hasZeros, oneScale } = shape;
  const numbers = Uint32Array.of(
    ...[bits, tileRows, kFactor, activationGroup, rows, columns, group, Number(hasZeros), Number(oneScale)],
  );
  await native.tMacMultiply(
    kernels.path,
    kernels.threads,
    numbers,
    input.data,
    passes.map((pass) => pass.weight),
    passes.map((pass) => pass.scales),
    out.data,
  );
  return out;
}
