import type { FloatDtype } from "../tensor/dtype.js";
import type { Matrix } from "../tensor/matrix.js";
import type { BcqResult, BcqTask } from "./bcq.js";
import type { InverseFactor } from "./cholesky.js";
import type { CompensatedCodesTask } from "./compensated-codes.js";
import type { CompensatedVectors, CompensatedVectorsTask } from "./compensated-vectors.js";
import type { FitTablesTask, TableLookups } from "./fit-tables.js";
import type { HadamardTask } from "./hadamard.js";
import type { HqqResult, HqqTask } from "./hqq.js";
import type { KMeansTask } from "./k-means.js";
import type { OwnTablesResult, OwnTablesTask } from "./own-tables.js";
import type { RoundToNearestResult, RoundToNearestTask } from "./round-to-nearest.js";
import type { SharedTablesResult, SharedTablesTask } from "./shared-tables.js";
import type { TableProduct } from "./table-product.js";
import type { TernaryResult, TernaryRule } from "./ternary.js";
import type { TritPlanesResult } from "./trit-planes.js";

/** Where hot work is computed. Every path gives the same bits; `reference` is the TypeScript specification. */
export const kernelPaths = ["reference", "portable", "avx2", "avx512"] as const;

export type KernelPath = (typeof kernelPaths)[number];

/** The hot functions, by one path and number of threads. The file of each has its rule, shapes and rounding. */
export interface Kernels {
  readonly path: KernelPath;
  readonly threads: number;
  /** The addon, for arithmetics that have a native twin; null on the reference path. */
  readonly native: NativeAddon | null;
  /** Float bytes, little-endian, as float32. */
  widen(dtype: FloatDtype, bytes: Uint8Array): Promise<Float32Array>;
  roundToNearest(weights: Float32Array, task: RoundToNearestTask): Promise<RoundToNearestResult>;
  ternary(weights: Float32Array, group: number, rule: TernaryRule): Promise<TernaryResult>;
  tritPlanes(weights: Float32Array, group: number, planes: number): Promise<TritPlanesResult>;
  hqq(weights: Float32Array, task: HqqTask): Promise<HqqResult>;
  bcq(weights: Float32Array, task: BcqTask): Promise<BcqResult>;
  sharedTables(weights: Float32Array, task: SharedTablesTask): Promise<SharedTablesResult>;
  ownTables(weights: Float32Array, task: OwnTablesTask): Promise<OwnTablesResult>;
  kMeans(points: Matrix, task: KMeansTask): Promise<Float32Array>;
  /** Adds second moments to `sums`. */
  addCovariance(left: Matrix, right: Matrix, sums: Float64Array): Promise<void>;
  inverseFactor(hessian: Float64Array, size: number, damping: number): Promise<InverseFactor>;
  /** Solves in place; gives the damping that was needed. */
  solveRight(hessian: Float64Array, size: number, damping: number, right: Float64Array): Promise<number>;
  /** Changes `rest` in place. */
  compensatedCodes(rest: Float64Array, task: CompensatedCodesTask): Promise<Uint8Array>;
  compensatedVectors(
    weight: Float32Array,
    columns: number,
    task: CompensatedVectorsTask,
  ): Promise<CompensatedVectors>;
  /** Changes tables and residual in place, as does `subtractTables` the residual. */
  fitTables(tables: Float32Array, residual: Float32Array, task: FitTablesTask): Promise<void>;
  subtractTables(tables: Float32Array, residual: Float32Array, lookups: TableLookups): Promise<void>;
  /** Rows times an orthonormal Hadamard matrix. */
  hadamard(values: Float32Array, task: HadamardTask): Promise<Float32Array>;
  nearestCentroids(input: Matrix, codebooks: Float32Array, vector: number): Promise<Uint8Array>;
  /**
   * The first product with an object lays its ids out anew and keeps them as long as the object lives: it must not
   * change.
   */
  tableProduct(input: Matrix, product: TableProduct): Promise<Matrix>;
}

/**
 * The addon's exports. Lengths are checked there again: a wrong one throws, nothing is read out of bounds.
 * Arithmetics of targets add their own functions, each typed beside its reference.
 */
export interface NativeAddon {
  /** Paths that this processor can run, best first. */
  paths(): readonly KernelPath[];
  widen(threads: number, dtype: FloatDtype, bytes: Uint8Array, out: Float32Array): Promise<void>;
  roundToNearest(
    path: KernelPath,
    threads: number,
    weights: Float32Array,
    group: number,
    bits: number,
    symmetric: boolean,
    clip: boolean,
    codes: Uint8Array,
    scales: Float32Array,
    zeroPoints: Uint8Array,
  ): Promise<void>;
  ternary(
    threads: number,
    weights: Float32Array,
    group: number,
    rule: TernaryRule,
    codes: Int8Array,
    scales: Float32Array,
  ): Promise<void>;
  tritPlanes(
    path: KernelPath,
    threads: number,
    weights: Float32Array,
    group: number,
    planes: number,
    codes: Int8Array,
    scales: Float32Array,
  ): Promise<void>;
  hqq(
    path: KernelPath,
    threads: number,
    weights: Float32Array,
    group: number,
    bits: number,
    inSteps: boolean,
    codes: Uint8Array,
    scales: Float32Array,
    zeroPoints: Float32Array,
  ): Promise<void>;
  /** `powers`: powers of two that make up a scale, 0 for any scale. */
  bcq(
    path: KernelPath,
    threads: number,
    weights: Float32Array,
    group: number,
    planes: number,
    rounds: number,
    powers: number,
    offset: boolean,
    codes: Int8Array,
    scales: Float32Array,
    offsets: Float32Array,
  ): Promise<void>;
  /** `shape`: group, powersOfTwo, then where in `values` each table starts, and the end of the last. */
  sharedTables(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    values: Float32Array,
    weights: Float32Array,
    codes: Uint8Array,
    scales: Float32Array,
    selectors: Uint8Array,
  ): Promise<void>;
  ownTables(
    path: KernelPath,
    threads: number,
    weights: Float32Array,
    group: number,
    values: number,
    importance: Float64Array,
    codes: Uint8Array,
    tables: Float32Array,
  ): Promise<void>;
  addCovariance(
    path: KernelPath,
    threads: number,
    tokens: number,
    left: Float32Array,
    right: Float32Array,
    sums: Float64Array,
  ): Promise<void>;
  /** In place; `sound` takes 1 where every pivot is positive. */
  choleskyFactorize(
    path: KernelPath,
    threads: number,
    size: number,
    a: Float64Array,
    sound: Uint8Array,
  ): Promise<void>;
  /** `inverse` starts as zeros. */
  choleskyInvert(
    path: KernelPath,
    threads: number,
    size: number,
    r: Float64Array,
    inverse: Float64Array,
  ): Promise<void>;
  choleskySolve(
    path: KernelPath,
    threads: number,
    size: number,
    r: Float64Array,
    right: Float64Array,
  ): Promise<void>;
  /** `shape`: inputs, centroids, blocks. `rule`: inertia, levels. No `minimums` and `steps`: entries are free. */
  fitTables(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    inputIds: Uint8Array,
    ids: Uint8Array,
    blockOfRow: Int32Array,
    tables: Float32Array,
    residual: Float32Array,
    sweeps: number,
    rule: Float64Array,
    minimums: Float32Array,
    steps: Float32Array,
  ): Promise<void>;
  /** `shape` as in `fitTables`. */
  subtractTables(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    inputIds: Uint8Array,
    ids: Uint8Array,
    blockOfRow: Int32Array,
    tables: Float32Array,
    residual: Float32Array,
  ): Promise<void>;
  /** `shape`: columns, size. `orders` and `signs` of the cores, one after another; `factors` may be empty. */
  hadamard(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    orders: Uint32Array,
    signs: Int8Array,
    factors: Float32Array,
    values: Float32Array,
    out: Float32Array,
  ): Promise<void>;
  /** `shape`: columns, vector, centroids, rounds, restarts, seed. */
  kMeans(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    points: Float32Array,
    codebooks: Float32Array,
  ): Promise<void>;
  /** `shape`: rows, columns, first, last, levels, tables. */
  compensatedCodes(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    factor: Float64Array,
    tables: Float32Array,
    tableOf: Int32Array,
    rest: Float64Array,
    codes: Uint8Array,
  ): Promise<void>;
  /**
   * `shape`: rows, columns, blocks, vector, centroids, rounds, restarts, seed. `factor` is empty without compensation;
   * `squares` are `squaresOf` the task.
   */
  compensatedVectors(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    weight: Float32Array,
    blockOfRow: Int32Array,
    factor: Float64Array,
    squares: Float64Array,
    ids: Uint8Array,
    codebooks: Float32Array,
  ): Promise<void>;
  /** `shape`: rows, columns, group, scaleRows. `offsets`: none, or one beside each scale of a plane. */
  planesErrors(
    threads: number,
    shape: Uint32Array,
    weights: Float32Array,
    codes: Int8Array,
    scales: Float32Array,
    offsets: Float32Array,
    out: Float64Array,
  ): Promise<void>;
  /** `shape`: rows, columns, group, scaleRows. */
  intErrors(
    threads: number,
    shape: Uint32Array,
    weights: Float32Array,
    codes: Uint8Array,
    scales: Float32Array,
    zeroPoints: Float32Array,
    out: Float64Array,
  ): Promise<void>;
  /** Reads all bytes, each thread its part; `out` takes their sum. */
  readMemory(path: KernelPath, threads: number, bytes: Uint8Array, out: Uint32Array): Promise<void>;
  /** `rounds` of INT8 dot products in registers on every thread; `out` takes the multiply-accumulates of one round. */
  dotProducts(path: KernelPath, threads: number, rounds: number, out: Uint32Array): Promise<void>;
  /** `shape`: bits, tileRows, kFactor, activationGroup, rows, columns, group, hasZeros, oneScale. */
  tMacMultiply(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    input: Float32Array,
    weights: readonly Uint8Array[],
    scales: readonly Float32Array[],
    out: Float32Array,
  ): Promise<void>;
  /**
   * Ternary weights as rows of 2-bit codes in whole blocks, as I2_S lays them. `shape`: rows, columns, bytes of a block,
   * result (0: I2_S, 1: TL1 and TL2, 2: TeLLMe).
   */
  ternaryMultiply(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    codes: Uint8Array,
    scale: Float32Array,
    input: Float32Array,
    out: Float32Array,
  ): Promise<void>;
  /**
   * `shape`: rows, columns, group, bits, tileOutputs, tileInputs, tableGroup, input (float16, e4m3, e5m2, int8, int16),
   * powerOfTwo, oneScale. No `zeroPoints` means 1 everywhere.
   */
  lutTensorCoreMultiply(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    input: Float32Array,
    selectors: readonly Uint8Array[],
    scales: readonly Float32Array[],
    zeroPoints: readonly Int8Array[],
    out: Float32Array,
  ): Promise<void>;
  /** `type`: the block type's index in src/targets/gguf/blocks.ts. */
  ggmlMultiply(
    path: KernelPath,
    threads: number,
    type: number,
    rows: number,
    columns: number,
    blocks: Uint8Array,
    input: Float32Array,
    out: Float32Array,
  ): Promise<void>;
  /** `shape`: rows, columns, group, planes, kTile. `bias` is empty in the kernel without one. */
  lutGemmMultiply(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    input: Float32Array,
    words: Uint8Array,
    alpha: Uint8Array,
    bias: Uint8Array,
    out: Float32Array,
  ): Promise<void>;
  /** `shape`: columns, vector, centroids. `ids` are `[P, tokens]`. */
  nearestCentroids(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    input: Float32Array,
    codebooks: Float32Array,
    ids: Uint8Array,
  ): Promise<void>;
  /** `shape`: rows, columns, vector, centroids, blocks, inputs. `out` are the ids as `tableProduct` reads them. */
  packTableIds(threads: number, shape: Uint32Array, ids: Uint8Array, out: Uint8Array): void;
  /** `shape` as in `packTableIds`. */
  tableProduct(
    path: KernelPath,
    threads: number,
    shape: Uint32Array,
    input: Float32Array,
    inputCodebooks: Float32Array,
    packedIds: Uint8Array,
    entries: Uint8Array,
    scales: Float32Array,
    biases: Float32Array,
    out: Float32Array,
  ): Promise<void>;
}
