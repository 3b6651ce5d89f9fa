import type { z } from "zod";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import type { BlockOps } from "../model/block-ops.js";
import type {
  ActivationScheme,
  GridOutline,
  GridScheme,
  LinearOutline,
  WeightOutline,
  WeightScheme,
} from "../schemes/scheme.js";
import { type Dtype, dtypeBytes } from "../tensor/dtype.js";
import type { Matrix } from "../tensor/matrix.js";
import type { TensorBytes, Tensors } from "../tensor/tensor.js";
import type { Container } from "./container.js";
import type { CostModel } from "./cost.js";
import type { Signal, VectorCase } from "./signal.js";

/**
 * One hardware's contract: which weights it takes, the bytes it reads, and the arithmetic it computes them with. `Product`
 * is `Arithmetic` for hardware, `FloatProduct` for formats whose runtimes dequantize. `Weight` is what it is
 * asked for: codes on a grid of scales, or any scheme where it takes vectors.
 */
export interface Target<
  Parameters extends object = object,
  Product extends Arithmetic | FloatProduct = Arithmetic | FloatProduct,
  Weight extends WeightScheme = WeightScheme,
> {
  /** The folder's name. */
  readonly name: string;
  /** One line for `luthier targets`. */
  readonly summary: string;
  /** Where the layout and the arithmetic come from. */
  readonly source: string;
  /** The layout's parameters with their defaults, as a recipe may set them: a strict object. */
  readonly parameters: z.ZodObject & z.ZodType<Parameters>;
  /**
   * Whether scales of groups and rows may be float32 values that float16 cannot hold (`ScaleGrid.scaleDtype`); where it
   * is absent they are refused before `refuse` is asked.
   */
  readonly takesFloat32Scales?: boolean;
  /** Whether zero points may be float16 values (`IntOutline.zeroPointDtype`); where it is absent they are refused likewise. */
  readonly takesFloatZeroPoints?: boolean;
  /** Whether it takes vectors; where it is absent they are refused before `refuse` is asked. */
  readonly takesVectors?: boolean;
  /**
   * Why a linear does not fit, with the way out; null when it fits. Judged before any work starts.
   * @param place absent for a linear of no model.
   */
  refuse(
    weight: OutlineOf<Weight>,
    activation: ActivationScheme,
    parameters: Parameters,
    place?: Place,
  ): Refusal | null;
  /**
   * The bytes of one linear.
   * @param place absent for a linear of no model.
   * @param activation that of its rule, for targets that take several; float when absent.
   */
  pack(
    weight: Weight,
    parameters: Parameters,
    place?: Place,
    activation?: ActivationScheme,
  ): PackedLinear<OutlineOf<Weight>>;
  /** The weight that the bytes stand for: `unpack(pack(w)) = w`, field by field. */
  unpack(packed: PackedLinear<OutlineOf<Weight>>): Weight;
  /** @throws LuthierError when a tensor of the pack is missing or has another shape than the layout says. */
  open(packed: PackedLinear<OutlineOf<Weight>>, kernels: Kernels): Product;
  /** How a whole model is kept, where the format's readers take one; absent where the hardware reads linears. */
  readonly container?: Container<Parameters, OutlineOf<Weight>>;
  /**
   * What its hardware computes between the linears in its own way, as the parameters choose; null where models are
   * computed as they define themselves. Absent where the hardware computes linears alone.
   */
  glue?(parameters: Parameters): Partial<BlockOps<Matrix, Float32Array>> | null;
  /**
   * Every array of one token's product by the reference arithmetic, from `input` to `output`, for test benches. The
   * output has the bits of `multiply`. Absent where no hardware reads the pack.
   */
  trace?(packed: PackedLinear<OutlineOf<Weight>>, token: Float32Array): readonly Signal[];
  /** Tokens that reach corners of its own arithmetic, for test benches. */
  corners?(packed: PackedLinear<OutlineOf<Weight>>): readonly VectorCase[];
  /** What its products cost on a device; absent where no formulas are known. */
  readonly cost?: CostModel<Parameters, object, OutlineOf<Weight>>;
  /** What a rule of a recipe for this target usually says: what it is shown and measured with. */
  readonly typical: TypicalRule;
}

type OutlineOf<Weight> = Weight extends GridScheme ? GridOutline : WeightOutline;

/** A target that takes codes on a grid of scales. */
export type GridTarget<Parameters extends object, Product extends Arithmetic | FloatProduct> = Target<
  Parameters,
  Product,
  GridScheme
>;

/** Keys of a recipe's rule. */
export interface TypicalRule {
  readonly quantize: { readonly method: string; readonly [option: string]: unknown };
  readonly activation?: ActivationScheme;
}

/** Where a linear stands in its model: what a layout may depend on besides the linear. */
export interface Place {
  /** d_model: inputs of a block. */
  readonly hiddenSize: number;
  /** d_ffn: outputs of the gate and up projections. */
  readonly feedForwardSize: number;
  /** Size of the heads that its outputs make up, where these are rotated by position (queries and keys); else null. */
  readonly rotaryHeadSize: number | null;
  /** `[K]`, weights of the norm that its input comes out of; null without one, and in a plan, which reads no weights. */
  readonly norm: Float32Array | null;
}

export interface Refusal {
  /** What the linear has and what the target takes. */
  readonly reason: string;
  readonly fix: string;
}

/** Why a linear does not fit a target: what `refuse` says, and what holds for all targets. */
export function refusalOf(
  target: Target,
  { weight, activation, rotation, bias }: LinearOutline,
  parameters: object,
  place?: Place,
): Refusal | null {
  if (rotation) {
    return {
      reason: "its input is rotated each time that it is computed, which this target cannot do",
      fix: "set `online: false` for `hadamard`: what is rotated in the weights alone fits every target",
    };
  }
  if (weight.scheme === "vectors" && !target.takesVectors) {
    return {
      reason: "its weights are vectors, this target takes codes with scales",
      fix: "use a quantizer of such codes, as `rtn` or `trit-planes`, or the target `lut-llm`",
    };
  }
  if (weight.scheme === "values") {
    return {
      reason: "its weights are codes into tables of values, which no target reads so far",
      fix: "use a quantizer of uniform codes or planes, as `rtn` or `trit-planes`, or score it without this target",
    };
  }
  if (weight.scheme === "parts") {
    return {
      reason: `its weight has parts of several schemes, by ${weight.by}, which no target reads so far`,
      fix: "use a quantizer of one scheme, as `rtn` or `trit-planes`, or score it without this target",
    };
  }
  if (weight.scheme !== "vectors" && weight.scaleDtype === "F32" && !target.takesFloat32Scales) {
    return {
      reason: "it has float32 scales that float16 cannot hold, this target takes float16 ones",
      fix: "quantize it with one of the methods instead of `stored`, or keep these linears float",
    };
  }
  if (weight.scheme === "int" && weight.zeroPointDtype && !target.takesFloatZeroPoints) {
    return {
      reason: "its zero points are any float16 values, this target takes those that are codes",
      fix: "use `rtn`, or the target `t-mac`",
    };
  }
  if (bias && target.container) {
    return {
      reason: "it has a bias of its own, and files of whole models keep those of the checkpoint",
      fix: "remove `biasCorrection` from the rule, or use a target that packs linears",
    };
  }
  return target.refuse(weight, activation, parameters, place);
}

/** One linear as a target's hardware reads it. */
export interface PackedLinear<Outline extends WeightOutline = WeightOutline> {
  /** The scheme that the bytes hold, so that they can be read back without any other file. */
  readonly weight: Outline;
  /** The layout parameters in force for this linear, all resolved (tile sizes, digit order …). */
  readonly layout: Readonly<Record<string, number | string>>;
  readonly tensors: Tensors;
}

/** A packed linear of codes on a grid of scales. */
export type PackedGrid = PackedLinear<GridOutline>;

/** @throws LuthierError when a pack lacks a tensor, or it has another dtype, shape or length than its layout says. */
export function tensorOf(
  tensors: Tensors,
  name: string,
  dtype: Dtype,
  shape: readonly number[],
): TensorBytes {
  const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
  const bytes = shape.reduce((product, length) => product * length, dtypeBytes[dtype]);
  if (tensor?.dtype === dtype && `${tensor.shape}` === `${shape}` && tensor.bytes.length === bytes)
    return tensor;
  const found = tensor && `${tensor.dtype} [${tensor.shape}] in ${tensor.bytes.length} bytes`;
  throw damagedPack(
    `its tensor ${name} is ${found ?? "missing"}, its layout asks for ${dtype} [${shape}] in ${bytes} bytes`,
  );
}

/** What to throw when a pack's bytes are none that the target writes; `what` says it of the pack: "its …". */
export function damagedPack(what: string): LuthierError {
  return new LuthierError(`the pack does not hold together: ${what}`, "write it again with `luthier pack`");
}

/**
 * Hardware turns NaN and infinite inputs into some number, each in its own way and silently; here they spoil outputs of
 * their token. So do sums beyond the largest float16, where an arithmetic has those.
 * @throws LuthierError naming the first input that is not finite.
 */
export function refuseUnsound(input: Matrix, output: Matrix): void {
  let sound = 0;
  while (sound < output.data.length && Number.isFinite(output.data[sound])) sound++;
  if (sound === output.data.length) return;
  const token = Math.floor(sound / output.columns);
  const x = input.data.subarray(token * input.columns, (token + 1) * input.columns);
  const at = x.findIndex((value) => !Number.isFinite(value));
  const what =
    at < 0 ? `values too large for it, up to ${x.reduce((a, b) => Math.max(a, Math.abs(b)), 0)}` : x[at];
  throw new LuthierError(
    `the input of a packed linear holds ${what} at token ${token}${at < 0 ? "" : `, input ${at}`}`,
    "find the layer where it arises with `--engine float`, and keep the linears before it float",
  );
}

/** What a runtime does that dequantizes the weight and multiplies in floating point: so does the engine. */
export interface FloatProduct {
  /** `[N, K]`, as the bytes of the pack stand for it. */
  readonly weight: Matrix;
}

/** A packed linear that can be computed: the engine's unit. */
export interface Arithmetic {
  /** `[tokens, K]` → `[tokens, N]`, by the exact steps, widths and roundings of the hardware, before the bias. */
  multiply(input: Matrix): Promise<Matrix>;
}
