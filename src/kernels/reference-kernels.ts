import { dtypeBytes } from "../tensor/dtype.js";
import { widen } from "../tensor/float.js";
import { bcq } from "./bcq.js";
import { nearestCentroids } from "./centroid-search.js";
import { inverseFactor, referenceSteps, solveRight } from "./cholesky.js";
import { checkCompensatedCodes, compensatedCodes } from "./compensated-codes.js";
import { compensatedVectors } from "./compensated-vectors.js";
import { addCovariance, checkCovariance } from "./covariance.js";
import { checkTables, fitTables, subtractTables } from "./fit-tables.js";
import { hadamard } from "./hadamard.js";
import { hqq } from "./hqq.js";
import { kMeans } from "./k-means.js";
import type { Kernels } from "./kernels.js";
import { ownTables } from "./own-tables.js";
import { roundToNearest } from "./round-to-nearest.js";
import { sharedTables } from "./shared-tables.js";
import { tableProduct } from "./table-product.js";
import { ternary } from "./ternary.js";
import { tritPlanes } from "./trit-planes.js";

/** The TypeScript specification of every kernel, on one thread. */
export function referenceKernels(): Kernels {
  return {
    path: "reference",
    threads: 1,
    native: null,
    async widen(dtype, bytes) {
      const out = new Float32Array(bytes.length / dtypeBytes[dtype]);
      widen(dtype, bytes, out);
      return out;
    },
    roundToNearest: async (weights, task) => roundToNearest(weights, task),
    ternary: async (weights, group, rule) => ternary(weights, group, rule),
    tritPlanes: async (weights, group, planes) => tritPlanes(weights, group, planes),
    hqq: async (weights, task) => hqq(weights, task),
    bcq: async (weights, task) => bcq(weights, task),
    sharedTables: async (weights, task) => sharedTables(weights, task),
    ownTables: async (weights, task) => ownTables(weights, task),
    kMeans: async (points, task) => kMeans(points, task),
    async compensatedCodes(rest, task) {
      checkCompensatedCodes(rest, task);
      return compensatedCodes(rest, task);
    },
    hadamard: async (values, task) => hadamard(values, task),
    compensatedVectors,
    async fitTables(tables, residual, task) {
      checkTables(tables, residual, task);
      fitTables(tables, residual, task);
    },
    async subtractTables(tables, residual, lookups) {
      checkTables(tables, residual, lookups);
      subtractTables(tables, residual, lookups);
    },
    nearestCentroids: async (input, codebooks, vector) => nearestCentroids(input, codebooks, vector),
    tableProduct: async (input, product) => tableProduct(input, product),
    async addCovariance(left, right, sums) {
      checkCovariance(left, right, sums);
      addCovariance(left, right, sums);
    },
    inverseFactor: (hessian, size, damping) => inverseFactor(hessian, size, damping, referenceSteps),
    solveRight: (hessian, size, damping, right) => solveRight(hessian, size, damping, right, referenceSteps),
  };
}
