import type { z } from "zod";
import type { Kernels } from "../kernels/kernels.js";
import type { WeightOutline, WeightScheme } from "../schemes/scheme.js";
import type { Matrix } from "../tensor/matrix.js";

/**
 * An algorithm that fits schemes to what a model computes on calibration text. All linears that read one input (queries,
 * keys and values; gate and up) are quantized together, blocks one after another, each on the inputs that come out of the
 * quantized ones before it.
 */
export interface CalibratedQuantizer<Options extends object = object> {
  /** The file's name, and `method` in a recipe. */
  readonly name: string;
  /** One line for people who choose. */
  readonly summary: string;
  /** The paper or code that defines it. */
  readonly source: string;
  /** What a recipe may set, with defaults: a strict object. */
  readonly options: z.ZodObject & z.ZodType<Options>;
  /**
   * The scheme it will make of a linear, known before any work.
   * @throws RangeError when the group does not divide K; LuthierError when it can make none, or the options contradict each
   *   other.
   */
  outline(linear: LinearShape, options: Options): WeightOutline;
  /**
   * Why what a small model takes says nothing of the time that a large one does; absent where it grows with the sides of what
   * is quantized.
   */
  readonly untimed?: string;
  /**
   * What it holds at most while it quantizes linears of one input, in bytes: beside their weights and the inputs, and what it
   * gives. From the arrays that it makes, for `luthier quantize --dry-run`.
   * @param tokens of the calibration text.
   */
  workingBytes(linears: readonly LinearShape[], tokens: number, options: Options): number;
  /**
   * Where linears compete for something, chooses rows among all those of one rule, before any is quantized. Linears come one
   * at a time, in the order of the model.
   */
  chooseRows?(
    linears: AsyncIterable<LinearToChooseFrom>,
    options: Options,
    kernels: Kernels,
  ): Promise<ChosenRows>;
  /**
   * Quantizes linears of one input; gives their schemes in the same order. Deterministic: the same bytes on any kernel
   * path and number of threads.
   */
  quantize(
    linears: readonly LinearToFit[],
    inputs: CalibrationInputs,
    options: Options,
    context: FitContext,
  ): Promise<readonly WeightScheme[]>;
}

export interface LinearShape {
  /** N. */
  readonly rows: number;
  /** K. */
  readonly columns: number;
  /** What the projections of one attention (queries, keys, values) have together; null for all other linears. */
  readonly attention: AttentionProjections | null;
}

export interface AttentionProjections {
  /** Outputs of the three projections together. */
  readonly rows: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
}

export interface LinearToFit extends LinearShape {
  readonly name: string;
  /** `[N, K]`. */
  readonly weight: Matrix;
  /** Size of the heads that are rotated by position, of queries and keys; null or absent of all other linears. */
  readonly rotaryHeadSize?: number | null;
}

export interface LinearToChooseFrom extends LinearToFit {
  /** Second moments of its input as the float model computes it, `[K, K]`. */
  readonly second: Matrix;
}

/** Rising row numbers, by the linear's name. */
export type ChosenRows = ReadonlyMap<string, Uint32Array>;

/** The input of some linears on calibration text, in batches of tokens. */
export interface CalibrationInputs {
  /** `[tokens, K]` each, as the model computes them whose earlier linears are quantized. */
  readonly quantized: readonly Matrix[];
  /**
   * As the float model computes them: the same tokens, batch by batch. To be gone through to the end, and once only: they are
   * computed while they are asked for, with the float model a step behind, so that its inputs are not in memory together.
   */
  float(): AsyncIterable<Matrix>;
}

export interface FitContext {
  /** The recipe's. */
  readonly seed: number;
  readonly kernels: Kernels;
  /** What `chooseRows` chose; absent where linears are quantized without their model. */
  readonly chosenRows?: ChosenRows;
}
