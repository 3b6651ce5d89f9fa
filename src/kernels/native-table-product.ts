import { type Matrix, matrix } from "../tensor/matrix.js";
import type { KernelPath, Kernels } from "./kernels.js";
import type { NativeAddon } from "./native-addon.js";
import type { TableProduct } from "./table-product.js";

/** Outputs whose ids lie together. */
const groupOutputs = 32;
/** Codebooks up to this size have ids of half a byte. */
const narrowCentroids = 16;

/** The ids of each product as the addon reads them, made once: native/paths.hpp draws them. */
const packed = new WeakMap<TableProduct, Uint8Array>();

/** The same bits as `tableProduct` of table-product.ts, by the addon. */
export function nativeTableProduct(
  addon: NativeAddon,
  path: KernelPath,
  threads: number,
): Kernels["tableProduct"] {
  return async (input: Matrix, product: TableProduct) => {
    const { rows, columns, vector, centroids, blocks, inputs } = product;
    const { inputCodebooks, entries, scales, biases } = product;
    const shape = Uint32Array.of(rows, columns, vector, centroids, blocks, inputs);
    let ids = packed.get(product);
    if (ids === undefined) {
      ids = new Uint8Array(packedBytes(product));
      addon.packTableIds(threads, shape, product.ids, ids);
      packed.set(product, ids);
    }
    const out = matrix(input.rows, rows);
    await addon.tableProduct(
      path,
      threads,
      shape,
      input.data,
      inputCodebooks,
      ids,
      entries,
      scales,
      biases,
      out.data,
    );
    return out;
  };
}

/** Half a byte for each position, in fours, and output, in whole groups; or a byte. */
function packedBytes({ rows, columns, vector, centroids, blocks }: TableProduct): number {
  const outputs = blocks * Math.ceil(rows / blocks / groupOutputs) * groupOutputs;
  const positions = columns / vector;
  return centroids <= narrowCentroids ? (outputs * 4 * Math.ceil(positions / 4)) / 2 : outputs * positions;
}
