import type { Kernels } from "../../kernels/kernels.js";
import type { NativeAddon } from "../../kernels/native-addon.js";
import { roundToFloat16 } from "../../tensor/float.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import { packI2s } from "../bitnet-cpp/i2-s.js";
import type { Planes } from "./arithmetic.js";
import { unpackPlane } from "./layout.js";

/** Bytes of a block of the 2-bit codes that the addon multiplies. */
const block = 32;
const tellmeResult = 2;

/**
 * The same bits as `multiply` of arithmetic.ts by the addon: the sums are exact integers, so it multiplies 2-bit codes, to
 * which the words are decoded here, once.
 */
export function nativeProduct(planes: Planes, native: NativeAddon, kernels: Kernels) {
  const { rows, columns, order, words, scales } = planes;
  const codes = words.map((plane) => packI2s(unpackPlane(plane, rows, columns, order), rows, columns, block));
  const shape = Uint32Array.of(rows, columns, block, tellmeResult);
  return async (input: Matrix): Promise<Matrix> => {
    const out = matrix(input.rows, rows);
    const part = codes.length > 1 ? matrix(input.rows, rows) : out;
    for (const [plane, bytes] of codes.entries()) {
      const scale = scales.subarray(plane, plane + 1);
      const { data } = plane === 0 ? out : part;
      await native.ternaryMultiply(kernels.path, kernels.threads, shape, bytes, scale, input.data, data);
      if (plane > 0) addFloat16(out.data, data);
    }
    return out;
  };
}

function addFloat16(sums: Float32Array, parts: Float32Array): void {
  for (let i = 0; i < sums.length; i++) sums[i] = roundToFloat16(Math.fround(sums[i] + parts[i]));
}
