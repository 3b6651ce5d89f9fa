import type { TensorInfo } from "./safetensors.js";

/** Rows `first` (inclusive) to `last` (exclusive): a slice along a tensor's first dimension. */
export interface RowRange {
  readonly first: number;
  readonly last: number;
}

/** Named tensors that lie in files and are read when asked for. */
export interface TensorSource {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Weights in FP8 share one scale per block of this many rows and columns, where the configuration says so. */
  readonly scaleBlock?: readonly [rows: number, columns: number];
  /**
   * The bytes of a tensor, or of some of its rows, in memory of their own.
   *
   * @throws LuthierError when there is no such tensor or the file cannot be read; RangeError for rows that do not exist.
   */
  read(name: string, rows?: RowRange): Promise<Uint8Array>;
  close(): Promise<void>;
}
