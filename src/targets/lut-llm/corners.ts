import { chebyshev } from "../../kernels/centroid-search.js";
import { positionsOf } from "../../schemes/vectors.js";
import type { VectorCase } from "../signal.js";
import { inputCentroids, tableEntries, vector, weightCentroids } from "./layout.js";
import type { TabledScheme } from "./tabled.js";

/** Tokens that reach the corners of the search, and of the accumulators by way of the tables. */
export function cornersOf(weight: TabledScheme): readonly VectorCase[] {
  const ofIds = (id: (position: number) => number) => {
    return tokenOf(weight, (position) => centroid(weight, position, id(position)));
  };
  const byEntry = (sign: 1 | -1) => ofIds((position) => extremeEntry(weight, position, sign));
  return [
    {
      name: "centroids",
      what: "at every position one of its centroids, id p mod 64",
      token: ofIds((position) => position % inputCentroids),
    },
    {
      name: "centroid-ties",
      what: "midway between the two nearest centroids of each position: the lower id wins",
      token: tokenOf(weight, (position) => tieAt(weight, position)),
    },
    {
      name: "beyond-search",
      what: "4e20, further from every centroid than where the search begins, 3e20: id 0",
      token: tokenOf(weight, () => [4e20, 4e20]),
    },
    {
      name: "largest-entries",
      what: "the centroids with the largest entries of output 0, so its largest accumulators",
      token: byEntry(1),
    },
    {
      name: "least-entries",
      what: "the centroids with the least entries of output 0",
      token: byEntry(-1),
    },
  ];
}

/** `[K]` of the pairs of all positions. */
function tokenOf(weight: TabledScheme, pair: (position: number) => ArrayLike<number>): Float32Array {
  const token = new Float32Array(weight.columns);
  for (let position = 0; position < positionsOf(weight); position++)
    token.set(pair(position), position * vector);
  return token;
}

function centroid({ inputCodebooks }: TabledScheme, position: number, id: number): Float32Array {
  const at = (position * inputCentroids + id) * vector;
  return inputCodebooks.subarray(at, at + vector);
}

/** Of the two centroids that are nearest to each other no third one is nearer to the middle. */
function tieAt(weight: TabledScheme, position: number): readonly number[] {
  const codebook = weight.inputCodebooks;
  const at = (id: number) => (position * inputCentroids + id) * vector;
  let [nearest, one, other] = [Number.POSITIVE_INFINITY, 0, 0];
  for (let a = 0; a < inputCentroids; a++) {
    for (let b = a + 1; b < inputCentroids; b++) {
      const distance = chebyshev(codebook, at(a), codebook, at(b), vector);
      if (distance < nearest) [nearest, one, other] = [distance, a, b];
    }
  }
  const [from, to] = [centroid(weight, position, one), centroid(weight, position, other)];
  return Array.from(from, (value, i) => (value + to[i]) / 2);
}

/** The id whose entry for output 0 is the largest, or the least. */
function extremeEntry({ ids, rows, blocks, products }: TabledScheme, position: number, sign: 1 | -1): number {
  const first = position * blocks * tableEntries + ids[position * rows];
  let best = 0;
  for (let id = 1; id < inputCentroids; id++) {
    const apart =
      products.entries[first + id * weightCentroids] - products.entries[first + best * weightCentroids];
    if (sign * apart > 0) best = id;
  }
  return best;
}
