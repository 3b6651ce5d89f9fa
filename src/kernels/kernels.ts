import type { FloatDtype } from "../tensor/dtype.js";

/** Where hot work is computed. Every path gives the same bits; `reference` is the TypeScript specification. */
export const kernelPaths = ["reference", "portable", "avx2", "avx512"] as const;

export type KernelPath = (typeof kernelPaths)[number];

/** The hot functions, by one path and number of threads. See the file of each for shapes and rounding. */
export interface Kernels {
  readonly path: KernelPath;
  readonly threads: number;
  /** The addon, for arithmetics that have a native twin; null on the reference path. */
  readonly native: NativeKernels | null;
  widen(dtype: FloatDtype, bytes: Uint8Array): Promise<Float32Array>;
}

/** The typed face of the addon. Sizes are checked there again: a wrong length throws, it never reads out of bounds. */
export interface NativeKernels {
  widen(dtype: FloatDtype, bytes: Uint8Array, out: Float32Array): Promise<void>;
}
