import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import type { Matrix } from "../tensor/matrix.js";
import type { TensorInfo } from "./safetensors.js";
import type { TensorSource } from "./tensor-source.js";

/**
 * Multiplies a weight in FP8 by the scales that accompany it, if any: `<name>_scale_inv` has one a block of weights
 * (128 × 128 in DeepSeek-V3 and Qwen3-FP8; despite its name it multiplies), `<name>_scale` one for the whole tensor or
 * one a row (compressed-tensors).
 *
 * @param weight the rows of tensor `name` from row `first` on, `[rows, K]`; changed in place.
 * @throws LuthierError when the scales do not fit the weight.
 */
export async function applyScales(
  source: TensorSource,
  name: string,
  kernels: Pick<Kernels, "widen">,
  weight: Matrix,
  first: number,
): Promise<void> {
  const companion = [`${name}_scale_inv`, `${name}_scale`].find((other) => source.tensors.has(other));
  if (companion === undefined) return;
  const block = companion.endsWith("_inv") ? source.scaleBlock : undefined;
  const grid = gridOf(source.tensors.get(name)!, name, source.tensors.get(companion)!, companion, block);
  const scales = await kernels.widen(grid.dtype, await source.read(companion));
  const { rows, columns, data } = weight;
  for (let row = 0; row < rows; row++) {
    const firstScale = Math.floor((first + row) / grid.blockRows) * grid.columns;
    for (let column = 0; column < columns; column++) {
      data[row * columns + column] *= scales[firstScale + Math.floor(column / grid.blockColumns)];
    }
  }
}

interface ScaleGrid {
  readonly dtype: "F32" | "BF16";
  /** Scales in a row of blocks. */
  readonly columns: number;
  readonly blockRows: number;
  readonly blockColumns: number;
}

/** The grid of scales `[ceil(N / blockRows), ceil(K / blockColumns)]` of a weight `[N, K]`. */
function gridOf(
  info: TensorInfo,
  name: string,
  scaleInfo: TensorInfo,
  companion: string,
  block: readonly [rows: number, columns: number] | undefined,
): ScaleGrid {
  const { dtype, shape, file } = scaleInfo;
  // A scalar stands for the whole tensor, a vector for its rows.
  const [scaleRows = 1, columns = 1] = shape;
  const blockRows = blockLength(info.shape[0], scaleRows, block?.[0]);
  const blockColumns = blockLength(info.shape[1], columns, block?.[1]);
  const sound = shape.length <= 2 && (dtype === "F32" || dtype === "BF16");
  if (!sound || blockRows === null || blockColumns === null) {
    throw new LuthierError(
      `tensor ${companion} of dtype ${dtype} and shape [${shape.join(", ")}] cannot be the scales of the weight ` +
        `${name} of shape [${info.shape.join(", ")}] (${file})`,
      "Take the checkpoint in BF16, or correct weight_block_size in its config.json.",
    );
  }
  return { dtype, columns, blockRows, blockColumns };
}

/** How many of `length` weights share one of `count` scales: as told; untold, all, 128, or what divides evenly. */
function blockLength(length: number, count: number, told: number | undefined): number | null {
  if (told !== undefined) return Math.ceil(length / told) === count ? told : null;
  if (count === 1) return Math.max(length, 1);
  if (Math.ceil(length / 128) === count) return 128;
  return count > 0 && length > 0 && length % count === 0 ? length / count : null;
}
