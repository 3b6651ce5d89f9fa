import type { IntOutline } from "../../schemes/int.js";
import type { GridOutline, GridScheme } from "../../schemes/scheme.js";
import {
  type GptqVersion,
  gptqCodes,
  gptqScales,
  gptqShapes,
  gptqZeroPoints,
} from "../../schemes/stored/gptq-layout.js";
import { widen } from "../../tensor/float.js";
import type { Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";
import { asIntOutline, planeOf } from "../ternary-codes.js";

/* The bytes are those of src/schemes/stored/gptq-layout.ts, which reads checkpoints too; README.md draws them. */

/** In the order in which they are written: words first, then half words. */
export function shapes(weight: IntOutline) {
  const { qweight, qzeros, scales, g_idx } = gptqShapes(weight);
  return { g_idx, qweight, qzeros, scales };
}

/** @throws LuthierError when the tensors do not fit the outline or hold what no weight is packed into. */
export function unpackLinear(tensors: Tensors, outline: GridOutline, version: GptqVersion): GridScheme {
  const int = asIntOutline(outline);
  if (int === null) throw damagedPack("its weight is no single plane of trits");
  const expected = shapes(int);
  const bytesOf = (name: keyof typeof expected) =>
    tensorOf(tensors, name, expected[name].dtype, expected[name].shape).bytes;
  checkOrder(bytesOf("g_idx"), int.group);
  const halves = new Float32Array(int.rows * (int.columns / int.group));
  widen("F16", bytesOf("scales"), halves);
  if (!halves.every(Number.isFinite)) throw damagedPack("its tensor scales holds NaN or infinity");
  try {
    const codes = gptqCodes(bytesOf("qweight"), int);
    const scales = gptqScales(halves, int);
    const zeros = gptqZeroPoints(bytesOf("qzeros"), int, version);
    if (int.symmetric && zeros.some((zero) => zero !== 2 ** (int.bits - 1))) {
      throw damagedPack("its tensor qzeros holds another zero point than the middle");
    }
    const scheme = { ...int, codes, scales, zeroPoints: int.symmetric ? null : zeros };
    return outline.scheme === "int" ? scheme : planeOf(outline, scheme);
  } catch (error) {
    if (error instanceof RangeError) throw damagedPack(`one of its tensors ${error.message}`);
    throw error;
  }
}

function checkOrder(bytes: Uint8Array, group: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let input = 0; input < bytes.length / 4; input++) {
    if (view.getInt32(4 * input, true) !== Math.floor(input / group)) {
      throw damagedPack(`its tensor g_idx places input ${input} in another group`);
    }
  }
}
