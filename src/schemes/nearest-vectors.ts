import type { VectorsScheme } from "./vectors.js";

/**
 * The vectors whose products with the input's centroids are nearest to a table's entries, `[P, S, c_w, v]`: for each
 * column of a table the least-squares solution `(CᵀC) u = Cᵀt` with the centroids `C` `[c_a, v]`.
 */
export function nearestVectors(weight: VectorsScheme): Float32Array {
  const { rows, columns, vector, centroids, blocks, inputs = 0, inputCodebooks, products, table } = weight;
  if (inputCodebooks === null || products === null || table === undefined)
    throw new RangeError("a scheme without a table has its vectors");
  const positions = columns / vector;
  const out = new Float32Array(positions * blocks * centroids * vector);
  for (let position = 0; position < positions; position++) {
    const codebook = inputCodebooks.subarray(position * inputs * vector, (position + 1) * inputs * vector);
    const normal = normalEquations(codebook, vector);
    for (let block = 0; block < blocks; block++) {
      // A block that spans several scales has those of its first output: entries are shared, so scales can differ little.
      const run = Math.floor((block * (rows / blocks)) / (rows / table.scales));
      const share = products.biases[run] / positions;
      for (let centroid = 0; centroid < centroids; centroid++) {
        const first = (position * blocks + block) * inputs * centroids + centroid;
        const right = new Float64Array(vector);
        for (let input = 0; input < inputs; input++) {
          const product = products.entries[first + input * centroids] * products.scales[run] - share;
          for (let i = 0; i < vector; i++) right[i] += codebook[input * vector + i] * product;
        }
        out.set(solve(normal, right), ((position * blocks + block) * centroids + centroid) * vector);
      }
    }
  }
  return out;
}

/** `CᵀC`, `[v, v]`, with a trace of 1e-9 more on the diagonal so that unused inputs give zeros. */
function normalEquations(codebook: Float32Array, vector: number): Float64Array {
  const out = new Float64Array(vector * vector);
  for (let first = 0; first < codebook.length; first += vector) {
    for (let i = 0; i < vector; i++) {
      for (let j = 0; j < vector; j++) out[i * vector + j] += codebook[first + i] * codebook[first + j];
    }
  }
  let trace = 0;
  for (let i = 0; i < vector; i++) trace += out[i * vector + i];
  for (let i = 0; i < vector; i++) out[i * vector + i] += 1e-9 * trace + Number.MIN_VALUE;
  return out;
}

/** Solves a small symmetric positive definite system by elimination. */
function solve(matrix: Float64Array, right: Float64Array): Float64Array {
  const size = right.length;
  const a = matrix.slice();
  const x = right.slice();
  for (let pivot = 0; pivot < size; pivot++) {
    for (let row = pivot + 1; row < size; row++) {
      const factor = a[row * size + pivot] / a[pivot * size + pivot];
      for (let i = pivot; i < size; i++) a[row * size + i] -= factor * a[pivot * size + i];
      x[row] -= factor * x[pivot];
    }
  }
  for (let row = size - 1; row >= 0; row--) {
    for (let i = row + 1; i < size; i++) x[row] -= a[row * size + i] * x[i];
    x[row] /= a[row * size + row];
  }
  return x;
}
