import type { z } from "zod";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import type { ActivationScheme, WeightOutline, WeightScheme } from "../schemes/scheme.js";
import { type Dtype, dtypeBytes } from "../tensor/dtype.js";
import type { Matrix } from "../tensor/matrix.js";
import type { TensorBytes, Tensors } from "../tensor/tensor.js";

/** One hardware's contract: which weights it takes, the bytes it reads, and the arithmetic it computes them with. */
export interface Target<Parameters extends object = object> {
  /** The folder's name. */
  readonly name: string;
  /** One line for `luthier targets`. */
  readonly summary: string;
  /** Where the layout and the arithmetic come from. */
  readonly source: string;
  /** The layout's parameters with their defaults, as a recipe may set them: a strict object. */
  readonly parameters: z.ZodObject & z.ZodType<Parameters>;
  /** Why a linear does not fit, with the way out; null when it fits. Judged before any work starts. */
  refuse(weight: WeightOutline, activation: ActivationScheme, parameters: Parameters): Refusal | null;
  /** The bytes of one linear. */
  pack(weight: WeightScheme, parameters: Parameters): PackedLinear;
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
  readonly tensors: Tensors;
}

/** @throws LuthierError when a pack lacks a tensor, or it has another dtype or number of elements than its layout says. */
export function tensorOf(tensors: Tensors, name: string, dtype: Dtype, elements: number): TensorBytes {
  const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
  const found = tensor && `${tensor.dtype} with ${tensor.bytes.length} bytes`;
  const bytes = elements * dtypeBytes[dtype];
  if (tensor?.dtype === dtype && tensor.bytes.length === bytes) return tensor;
  throw new LuthierError(
    `tensor ${name} of the pack is ${found ?? "missing"}; its layout asks for ${dtype} with ${bytes} bytes`,
    "write the pack again with `luthier pack`",
  );
}

/** A packed linear that can be computed: the engine's unit. */
export interface Arithmetic {
  /** `[tokens, K]` → `[tokens, N]`, by the exact steps, widths and roundings of the hardware, before the bias. */
  multiply(input: Matrix): Promise<Matrix>;
}
