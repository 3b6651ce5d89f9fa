import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { LuthierError } from "../error.js";
import { packagePath } from "../package.js";
import { dtypeBytes } from "../tensor/dtype.js";
import { widen } from "../tensor/float.js";
import { bcq, usualRounds } from "./bcq.js";
import { nearestCentroids } from "./centroid-search.js";
import { type CholeskySteps, inverseFactor, referenceSteps, solveRight } from "./cholesky.js";
import { checkCompensatedCodes, compensatedCodes } from "./compensated-codes.js";
import { compensatedVectors, squaresOf } from "./compensated-vectors.js";
import { addCovariance, checkCovariance } from "./covariance.js";
import { mostRounds } from "./fit-centroids.js";
import { checkTables, fitTables, subtractTables } from "./fit-tables.js";
import { checkHadamard, hadamard } from "./hadamard.js";
import { hqq } from "./hqq.js";
import { checkKMeans, kMeans } from "./k-means.js";
import { type KernelPath, type Kernels, kernelPaths, type NativeAddon } from "./kernels.js";
import { nativeTableProduct } from "./native-table-product.js";
import { checkOwnTables, ownTables } from "./own-tables.js";
import { roundToNearest } from "./round-to-nearest.js";
import { sharedTables } from "./shared-tables.js";
import { tableProduct } from "./table-product.js";
import { ternary } from "./ternary.js";
import { tritPlanes } from "./trit-planes.js";

export interface KernelOptions {
  /** Defaults to `LUTHIER_THREADS`, else all cores. */
  readonly threads?: number;
  /** Defaults to `LUTHIER_KERNELS`, else the best that this machine has. */
  readonly path?: KernelPath;
}

/**
 * The hot functions on the best path of this machine.
 * @throws LuthierError when a path is asked for that is not to be had here, or the number of threads is no count.
 */
export function openKernels(options: KernelOptions = {}): Kernels {
  const threads = options.threads ?? threadsWanted(process.env.LUTHIER_THREADS);
  const addon = loadAddon();
  const paths: readonly KernelPath[] = [...(addon?.paths() ?? []), "reference"];
  const path = options.path ?? pathWanted(process.env.LUTHIER_KERNELS) ?? paths[0];
  if (!paths.includes(path)) {
    throw new LuthierError(
      `the kernel path '${path}' is not available here; available: ${paths.join(", ")}`,
      addon
        ? "choose one of those with LUTHIER_KERNELS"
        : "build the addon with `npm run build` (needs a C++20 compiler)",
      { usage: true },
    );
  }
  return path === "reference" || addon === null ? referenceKernels() : nativeKernels(addon, path, threads);
}

function threadsWanted(text: string | undefined): number {
  if (text === undefined || text === "") return availableParallelism();
  const threads = Number(text);
  if (Number.isInteger(threads) && threads >= 1 && threads <= 1024) return threads;
  throw new LuthierError(`LUTHIER_THREADS is '${text}'`, "set it to a whole number from 1 to 1024", {
    usage: true,
  });
}

function pathWanted(text: string | undefined): KernelPath | undefined {
  if (text === undefined || text === "") return undefined;
  if ((kernelPaths as readonly string[]).includes(text)) return text as KernelPath;
  throw new LuthierError(`LUTHIER_KERNELS is '${text}'`, `set it to one of ${kernelPaths.join(", ")}`, {
    usage: true,
  });
}

/** The addon that `native/build.mjs` built; null when it did not. */
export function addonPath(): string | null {
  const file = packagePath("native/build/luthier.node");
  return existsSync(file) ? file : null;
}

function loadAddon(): NativeAddon | null {
  const file = addonPath();
  if (file === null) return null;
  try {
    return createRequire(import.meta.url)(file) as NativeAddon;
  } catch {
    return null; // built for another Node or processor: the reference serves, and `luthier doctor` says so
  }
}

function referenceKernels(): Kernels {
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

function nativeKernels(addon: NativeAddon, path: KernelPath, threads: number): Kernels {
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
