import type { z } from "zod";
import type { InputStatistics } from "../calibration/input-statistics.js";
import type { Kernels } from "../kernels/kernels.js";
import type { ScalableInput } from "../model/architecture.js";
import type { Matrix } from "../tensor/matrix.js";

/**
 * A change of a model before it is quantized: the float model computes the same, or nearly, but what is quantized
 * suits its scheme or its hardware better.
 */
export interface Transform<Options extends object = object> {
  /** The file's name, and `transform` in a recipe. */
  readonly name: string;
  /** One line for people who choose. */
  readonly summary: string;
  /** The paper that defines it, or what it was made for. */
  readonly source: string;
  /** What a recipe may set, with defaults: a strict object. */
  readonly options: z.ZodObject & z.ZodType<Options>;
  /** Whether it is fitted to calibration text. */
  readonly needsText: boolean;
}

/** An exact one that puts channels in another order. */
export interface OrderTransform extends Transform {
  /**
   * A new order of channels: `order[i]` is the channel that comes to place i. Deterministic.
   * @param importance of each channel, a logarithm; −∞ of one that is always zero. Never NaN.
   */
  order(importance: Float64Array): Uint32Array;
}

/** An exact one that scales the channels of inputs: divided where they are made, multiplied where they are read. */
export interface ScaleTransform<Options extends object = object> extends Transform<Options> {
  /** Whether it scales an input; some of its linears are to be quantized. */
  takes(input: ScalableInput, options: Options): boolean;
  /** Whether it asks for second moments, and for what quantizers make of weights. */
  readonly searches: boolean;
  /**
   * What the weights of each channel are multiplied by, `[K]`: positive, finite, the same wherever a channel is read.
   * Deterministic.
   * @throws LuthierError naming the linears when there are no such scales.
   */
  fit(input: InputToScale, options: Options, kernels: Kernels): Promise<Float32Array>;
}

export interface InputToScale {
  readonly input: ScalableInput;
  readonly statistics: InputStatistics;
  /** All that read the input. */
  readonly linears: readonly LinearToScale[];
}

export interface LinearToScale {
  readonly name: string;
  /** `[N, K]`. */
  readonly weight: Matrix;
  /** What its quantizer makes of a weight in its place, dequantized; null where it stays float. */
  readonly approximate: ((weight: Matrix) => Promise<Matrix>) | null;
}
