import type { FloatDtype } from "../tensor/dtype.js";
import type { KernelPath } from "./kernels.js";
import type { TernaryRule } from "./ternary.js";

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
