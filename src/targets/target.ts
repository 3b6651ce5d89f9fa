import type { z } from "zod";
import type { Kernels } from "../kernels/kernels.js";
import type { ActivationScheme, WeightOutline, WeightScheme } from "../schemes/scheme.js";
import type { Dtype } from "../tensor/dtype.js";
import type { Matrix } from "../tensor/matrix.js";

/** One hardware's contract: which weights it takes, the bytes it reads, and the arithmetic it computes them with. */
export interface Target<Parameters extends object = object> {
  /** The folder's name. */
  readonly name: string;
  /** One line for `luthier targets`. */
  readonly summary: string;
  /** Where the layout and the arithmetic come from. */
  readonly source: string;
  /** The layout's parameters with their defaults, as a recipe may set them. */
  readonly parameters: z.ZodType<Parameters>;
  /** Why a linear does not fit, with the way out; null when it fits. Judged before any work starts. */
  refuse(weight: WeightOutline, activation: ActivationScheme, parameters: Parameters): Refusal | null;
  /** The bytes of one linear. */
  pack(weight: WeightScheme, parameters: Parameters, kernels: Kernels): PackedLinear;
  /** The weight that the bytes stand for: `unpack(pack(w)) = w`, field by field. */
  unpack(packed: PackedLinear): WeightScheme;
  /** @throws LuthierError when a tensor of the pack is missing or has another shape than the layout says. */
  open(packed: PackedLinear, kernels: Kernels): Arithmetic;
}

export interface Refusal {
  /** What the linear has and what the target takes. */
  readonly reason: string;
  readonly fix: string;
}

/** One linear as a target's hardware reads it. */
export interface PackedLinear {
  /** The scheme that the bytes hold, so that they can be read back without any other file. */
  readonly weight: WeightOutline;
  /** The layout parameters in force for this linear, all resolved (tile sizes, digit order …). */
  readonly layout: Readonly<Record<string, number | string>>;
  /** The data, by tensor name. */
  readonly tensors: Readonly<Record<string, PackedTensor>>;
}

export interface PackedTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Little-endian, row-major. */
  readonly bytes: Uint8Array;
}

/** A packed linear that can be computed: the engine's unit. */
export interface Arithmetic {
  /** `[tokens, K]` → `[tokens, N]`, by the exact steps, widths and roundings of the hardware, before the bias. */
  multiply(input: Matrix): Promise<Matrix>;
}
