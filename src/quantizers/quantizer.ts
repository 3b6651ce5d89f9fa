import type { z } from "zod";
import type { Kernels } from "../kernels/kernels.js";
import type { WeightOutline, WeightScheme } from "../schemes/scheme.js";
import type { Matrix } from "../tensor/matrix.js";

/** An algorithm that turns a linear's weight into a scheme. */
export interface Quantizer<Options extends object = object, Scheme extends WeightScheme = WeightScheme> {
  /** The file's name, and `method` in a recipe. */
  readonly name: string;
  /** One line for people who choose. */
  readonly summary: string;
  /** The paper or code that defines it. */
  readonly source: string;
  /** What a recipe may set, with defaults: a strict object. */
  readonly options: z.ZodObject & z.ZodType<Options>;
  /**
   * The scheme it will make of an `[N, K]` weight, known before any work.
   * @throws RangeError when the group does not divide K; LuthierError when the options contradict each other.
   */
  outline(rows: number, columns: number, options: Options): WeightOutline;
  /**
   * The other schemes that it may make of an `[N, K]` weight, where it chooses by the weight's values: a plan asks targets
   * about each. Absent where `outline` is what it makes.
   */
  alternatives?(rows: number, columns: number, options: Options): readonly WeightOutline[];
  /** Quantizes one weight `[N, K]`. Deterministic; the same codes on any kernel path and number of threads. */
  quantize(weight: Matrix, options: Options, kernels: Kernels): Promise<Scheme>;
}
