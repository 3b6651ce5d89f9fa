import type { Kernels } from "../../kernels/kernels.js";
import type { NativeAddon } from "../../kernels/native-addon.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import { packI2s, refuseFourthCode } from "./i2-s.js";
import { type PackedWeight, tritsOf } from "./weight.js";

/**
 * The same bits as `multiply` of arithmetic.ts by the addon. Sums are exact integers, so the addon multiplies 2-bit codes
 * whatever the kernel: those of I2_S as they lie in the pack, those of TL1 and TL2 decoded here, once.
 * @throws LuthierError when bytes are none that the target writes.
 */
export function nativeProduct(weight: PackedWeight, native: NativeAddon, kernels: Kernels) {
  const { rows, columns, format } = weight;
  const isI2s = "blockBytes" in format;
  if (isI2s) refuseFourthCode(weight.bytes);
  const block = isI2s ? format.blockBytes : 32;
  const codes = isI2s ? weight.bytes : packI2s(tritsOf(weight), rows, columns, block);
  const shape = Uint32Array.of(rows, columns, block, Number(!isI2s));
  const scale = Float32Array.of(weight.scale);
  return async (input: Matrix): Promise<Matrix> => {
    const out = matrix(input.rows, rows);
    await native.ternaryMultiply(kernels.path, kernels.threads, shape, codes, scale, input.data, out.data);
    return out;
  };
}
