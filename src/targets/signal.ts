/**
 * One array of a product as the hardware holds it: what a test bench drives or compares. A target's `trace` lists them
 * in the order in which they arise, from `input` to `output`.
 */
export interface Signal {
  /** Kebab case, and the name of its files: `table-entries`, `accumulators`. */
  readonly name: string;
  /** What it is, in what unit, and which axis is which: `INT8 sums of four inputs, [K / 4, 16]`. */
  readonly what: string;
  readonly format: SignalFormat;
  readonly shape: readonly number[];
  /** Values that are one memory word, the first in its lowest bits; 1 where it is left out. */
  readonly perWord?: number;
  /** Row-major; floats of 16 bits as the numbers that they stand for. */
  readonly values: ArrayLike<number>;
}

/** The width at which the hardware holds a value. */
export type SignalFormat =
  | { readonly kind: "signed" | "unsigned"; readonly bits: number }
  | { readonly kind: "float"; readonly bits: 16 | 32 };

/** One token to drive a linear with. */
export interface VectorCase {
  /** A folder's name. */
  readonly name: string;
  readonly what: string;
  /** `[K]` */
  readonly token: Float32Array;
}
