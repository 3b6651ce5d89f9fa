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
import type { NativeAddon } from "./native-addon.js";
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
