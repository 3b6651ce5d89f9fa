import { nearestCentroids } from "../../kernels/centroid-search.js";
import { scaleSums, type TableProduct, tableSums } from "../../kernels/table-product.js";
import { matrix } from "../../tensor/matrix.js";
import { lanes } from "./layout.js";

/*
 * The kernel's steps are those of two reference functions: `nearestCentroids` is its search (ccu/ccu_fp32.h), `tableSums`
 * and `scaleSums` its lookups, accumulators and dequantization (imm/imm.h). Here is what lies between them.
 */

/** What one token's product goes through. */
export interface TokenSteps {
  /** `[P]`: ids of the nearest centroids of the input. */
  readonly inputIds: Uint8Array;
  /** `[P, S, c_w]`: the rows of tables that those ids fetch. */
  readonly tableRows: Uint8Array;
  /** `[P / 16, N]`: what the chain of lanes adds up for each of its rows. */
  readonly rowSums: Uint32Array;
  /** `[P / 16, N]`: the accumulators after each row. */
  readonly accumulators: Uint32Array;
  /** `[N]`: float32 of the last accumulators times the scale. */
  readonly scaled: Float32Array;
  /** `[N]` */
  readonly output: Float32Array;
}

/** One token's product with everything on the way; the output has the bits of the table product. */
export function tokenSteps(x: Float32Array, product: TableProduct): TokenSteps {
  const { rows, columns, vector, entries, blocks, inputs, centroids } = product;
  const positions = columns / vector;
  const inputIds = nearestCentroids(matrix(1, columns, x), product.inputCodebooks, vector);
  const tableRows = new Uint8Array(positions * blocks * centroids);
  for (let table = 0; table < positions * blocks; table++) {
    const from = (table * inputs + inputIds[Math.floor(table / blocks)]) * centroids;
    tableRows.set(entries.subarray(from, from + centroids), table * centroids);
  }
  const rowSums = new Uint32Array((positions / lanes) * rows);
  const accumulators = new Uint32Array(rowSums.length);
  for (let row = 0; row < positions / lanes; row++) {
    const sums = tableSums(inputIds.subarray(row * lanes, (row + 1) * lanes), 1, ofLanes(product, row));
    rowSums.set(sums, row * rows);
    for (let n = 0; n < rows; n++) {
      const before = row === 0 ? 0 : accumulators[(row - 1) * rows + n];
      accumulators[row * rows + n] = before + sums[n];
    }
  }
  const last = accumulators.subarray(accumulators.length - rows);
  const scaled = scaleSums(last, { ...product, biases: product.biases.map(() => 0) }).data;
  return { inputIds, tableRows, rowSums, accumulators, scaled, output: scaleSums(last, product).data };
}

/** The positions of one row of lanes, as a product of its own. */
function ofLanes(product: TableProduct, row: number): TableProduct {
  const { rows, vector, ids, entries, blocks, inputs, centroids } = product;
  const cut = (values: Uint8Array, perPosition: number) =>
    values.subarray(row * lanes * perPosition, (row + 1) * lanes * perPosition);
  return {
    ...product,
    columns: lanes * vector,
    ids: cut(ids, rows),
    entries: cut(entries, blocks * inputs * centroids),
  };
}
