import { dtypeBytes } from "../tensor/dtype.js";
import { usualRounds } from "./bcq.js";
import { type CholeskySteps, inverseFactor, solveRight } from "./cholesky.js";
import { checkCompensatedCodes } from "./compensated-codes.js";
import { squaresOf } from "./compensated-vectors.js";
import { checkCovariance } from "./covariance.js";
import { mostRounds } from "./fit-centroids.js";
import { checkTables } from "./fit-tables.js";
import { checkHadamard } from "./hadamard.js";
import { checkKMeans } from "./k-means.js";
import type { KernelPath, Kernels } from "./kernels.js";
import type { NativeAddon } from "./native-addon.js";
import { nativeTableProduct } from "./native-table-product.js";
import { checkOwnTables } from "./own-tables.js";

/** The addon on one of its paths. */
export function nativeKernels(addon: NativeAddon, path: KernelPath, threads: number): Kernels {
  const steps = nativeSteps(addon, path, threads);
  return {
    path,
    threads,
    native: addon,
    async widen(dtype, bytes) {
      const out = new Float32Array(bytes.length / dtypeBytes[dtype]);
      await addon.widen(threads, dtype, bytes, out);
      return out;
    },
    async roundToNearest(weights, { group, bits, symmetric, clip }) {
      const runs = weights.length / group;
      const codes = new Uint8Array(weights.length);
      const scales = new Float32Array(runs);
      const zeroPoints = new Uint8Array(symmetric ? 0 : runs);
      await addon.roundToNearest(
        path,
        threads,
        weights,
        group,
        bits,
        symmetric,
        clip,
        codes,
        scales,
        zeroPoints,
      );
      return { codes, scales, zeroPoints: symmetric ? null : zeroPoints };
    },
    async ternary(weights, group, rule) {
      const codes = new Int8Array(weights.length);
      const scales = new Float32Array(weights.length / group);
      await addon.ternary(threads, weights, group, rule, codes, scales);
      return { codes, scales };
    },
    async tritPlanes(weights, group, planes) {
      const codes = new Int8Array(planes * weights.length);
      const scales = new Float32Array((planes * weights.length) / group);
      await addon.tritPlanes(path, threads, weights, group, planes, codes, scales);
      return { codes, scales };
    },
    async hqq(weights, { group, bits, shrink }) {
      const codes = new Uint8Array(weights.length);
      const scales = new Float32Array(weights.length / group);
      const zeroPoints = new Float32Array(scales.length);
      await addon.hqq(path, threads, weights, group, bits, shrink === "steps", codes, scales, zeroPoints);
      return { codes, scales, zeroPoints };
    },
    async bcq(weights, { group, planes, offset, rounds = usualRounds, powersOfTwo = 0 }) {
      const runs = weights.length / group;
      const codes = new Int8Array(planes * weights.length);
      const scales = new Float32Array(planes * runs);
      const offsets = new Float32Array(offset ? runs : 0);
      await addon.bcq(
        path,
        threads,
        weights,
        group,
        planes,
        rounds,
        powersOfTwo,
        offset,
        codes,
        scales,
        offsets,
      );
      return { codes, scales, offsets: offset ? offsets : null };
    },
    async sharedTables(weights, { group, tables, powersOfTwo }) {
      const runs = weights.length / group;
      const codes = new Uint8Array(weights.length);
      const scales = new Float32Array(runs);
      const selectors = new Uint8Array(runs);
      const ends = tables.map((_, at) => tables.slice(0, at + 1).flat().length);
      const shape = Uint32Array.of(group, Number(powersOfTwo), 0, ...ends);
      const values = Float32Array.from(tables.flat());
      await addon.sharedTables(path, threads, shape, values, weights, codes, scales, selectors);
      return { codes, scales, selectors };
    },
    async ownTables(weights, task) {
      checkOwnTables(weights, task);
      const { group, values, importance } = task;
      const codes = new Uint8Array(weights.length);
      const tables = new Float32Array((weights.length / group) * values);
      await addon.ownTables(path, threads, weights, group, values, importance, codes, tables);
      return { codes, tables };
    },
    async fitTables(tables, residual, task) {
      const { inputs, centroids, blocks, inputIds, ids, blockOfRow, sweeps, inertia, grid } = task;
      checkTables(tables, residual, task);
      await addon.fitTables(
        path,
        threads,
        Uint32Array.of(inputs, centroids, blocks),
        inputIds,
        ids,
        blockOfRow,
        tables,
        residual,
        sweeps,
        Float64Array.of(inertia, grid?.levels ?? 0),
        grid?.minimums ?? new Float32Array(0),
        grid?.steps ?? new Float32Array(0),
      );
    },
    async subtractTables(tables, residual, lookups) {
      const { inputs, centroids, blocks, inputIds, ids, blockOfRow } = lookups;
      checkTables(tables, residual, lookups);
      const shape = Uint32Array.of(inputs, centroids, blocks);
      await addon.subtractTables(path, threads, shape, inputIds, ids, blockOfRow, tables, residual);
    },
    async kMeans(points, task) {
      checkKMeans(points, task);
      const { vector, centroids, seed, restarts = 1 } = task;
      const codebooks = new Float32Array(points.columns * centroids);
      const shape = Uint32Array.of(points.columns, vector, centroids, mostRounds, restarts, seed);
      await addon.kMeans(path, threads, shape, points.data, codebooks);
      return codebooks;
    },
    async compensatedCodes(rest, task) {
      checkCompensatedCodes(rest, task);
      const { columns, first, last, factor, levels, tables, tableOf } = task;
      const rows = rest.length / columns;
      const codes = new Uint8Array((last - first) * rows);
      const shape = Uint32Array.of(rows, columns, first, last, levels, tables.length / (levels * rows));
      await addon.compensatedCodes(path, threads, shape, factor, tables, tableOf, rest, codes);
      return codes;
    },
    async hadamard(values, task) {
      const { cores } = checkHadamard(values, task);
      const { columns, size, factors } = task;
      const orders = Uint32Array.from(cores, ({ order }) => order);
      const signs = Int8Array.from(cores.flatMap((core) => [...core.signs]));
      const out = new Float32Array(values.length);
      const shape = Uint32Array.of(columns, size);
      const given = factors ?? new Float32Array(0);
      await addon.hadamard(path, threads, shape, orders, signs, given, values, out);
      return out;
    },
    async compensatedVectors(weight, columns, task) {
      const { vector, centroids, blockOfRow, blocks, metric, seed, restarts } = task;
      const squares = await squaresOf(weight, columns, task);
      const rows = blockOfRow.length;
      const factor = "factor" in metric ? metric.factor : new Float64Array(0);
      const ids = new Uint8Array((columns / vector) * rows);
      const codebooks = new Float32Array(columns * blocks * centroids);
      const shape = Uint32Array.of(rows, columns, blocks, vector, centroids, mostRounds, restarts, seed);
      await addon.compensatedVectors(
        path,
        threads,
        shape,
        weight,
        blockOfRow,
        factor,
        squares,
        ids,
        codebooks,
      );
      return { ids, codebooks };
    },
    async nearestCentroids({ rows, columns, data }, codebooks, vector) {
      const ids = new Uint8Array((columns / vector) * rows);
      const shape = Uint32Array.of(columns, vector, codebooks.length / columns);
      await addon.nearestCentroids(path, threads, shape, data, codebooks, ids);
      return ids;
    },
    tableProduct: nativeTableProduct(addon, path, threads),
    async addCovariance(left, right, sums) {
      checkCovariance(left, right, sums);
      await addon.addCovariance(path, threads, left.rows, left.data, right.data, sums);
    },
    inverseFactor: (hessian, size, damping) => inverseFactor(hessian, size, damping, steps),
    solveRight: (hessian, size, damping, right) => solveRight(hessian, size, damping, right, steps),
  };
}

function nativeSteps(addon: NativeAddon, path: KernelPath, threads: number): CholeskySteps {
  return {
    async factorize(a, size) {
      const sound = new Uint8Array(1);
      await addon.choleskyFactorize(path, threads, size, a, sound);
      return sound[0] === 1;
    },
    async invert(r, size) {
      const inverse = new Float64Array(size * size);
      await addon.choleskyInvert(path, threads, size, r, inverse);
      return inverse;
    },
    solve: (r, size, right) => addon.choleskySolve(path, threads, size, r, right),
  };
}
