import { LuthierError } from "../../error.js";
import type { PlanesScheme } from "../../schemes/planes.js";
import { roundToFloat16 } from "../../tensor/float.js";
import type { Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";
import type { Layout } from "./choices.js";
import { readImage, writeImage } from "./image.js";
import { packPlane } from "./layout.js";
import { toHardwareRows, toModelRows } from "./rows.js";

/**
 * A tensor a plane, `plane<p>.index`, `.packets` or `.uram`, and `scales`, one float32 a plane.
 * @param norm `[K]`, weights of the norm before the linear, which packets carry.
 * @throws LuthierError when a scale is not finite, or a norm's weight none in float16.
 */
export function packWeight(weight: PlanesScheme, layout: Layout, norm: Float32Array | null): Tensors {
  const { rows, columns, planes, codes, scales } = weight;
  if (!scales.every(Number.isFinite)) {
    throw new LuthierError(
      `tellme cannot pack the weight: its scales are ${scales}`,
      "quantize the linear again, or keep it float",
    );
  }
  const wrong = norm?.find((value) => !Number.isFinite(roundToFloat16(value)));
  if (layout.image === "packets" && wrong !== undefined) {
    throw new LuthierError(
      `tellme cannot pack the norm before the linear: its weight ${wrong} is none in float16`,
      "use `image: words` or `uram`, which carry no norm",
    );
  }
  const size = rows * columns;
  const images = Array.from({ length: planes }, (_, plane) => {
    const words = packPlane(
      codes.subarray(plane * size, (plane + 1) * size),
      rows,
      columns,
      layout.digitOrder,
    );
    const inOrder = toHardwareRows(words, rows, layout.pairedHeadSize);
    return writeImage(inOrder, plane, { rows, columns, norm }, layout);
  });
  const scaleBytes = new Uint8Array(scales.slice().buffer);
  return Object.assign({}, ...images, { scales: { dtype: "F32", shape: [planes], bytes: scaleBytes } });
}

/**
 * The words `[⌈K / 84⌉, N, 18]` of a plane, rows in the model's order.
 * @throws LuthierError when the pack lacks them or an index is none of three trits.
 */
export function planeWords(
  tensors: Tensors,
  plane: number,
  rows: number,
  columns: number,
  layout: Layout,
): Uint8Array {
  const words = readImage(tensors, plane, { rows, columns }, layout);
  return toModelRows(words, rows, layout.pairedHeadSize);
}

/** One scale a plane. @throws LuthierError when they are missing or not finite. */
export function planeScales(tensors: Tensors, planes: number): Float32Array {
  const scales = new Float32Array(tensorOf(tensors, "scales", "F32", [planes]).bytes.slice().buffer);
  if (!scales.every(Number.isFinite)) throw damagedPack("its tensor scales holds NaN or infinity");
  return scales;
}
