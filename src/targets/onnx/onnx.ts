import { z } from "zod";
import { LuthierError } from "../../error.js";
import { describeActivation } from "../../schemes/activation.js";
import type { ActivationScheme, GridOutline, GridScheme } from "../../schemes/scheme.js";
import { dequantize, outlineOf } from "../../schemes/weights.js";
import { damagedPack, type FloatProduct, type GridTarget, type PackedGrid, type Refusal } from "../target.js";
import { asInt, asIntOutline, planeOf } from "../ternary-codes.js";
import { onnxContainer } from "./container.js";
import { type Layout, layoutOf, packBlocks, unpackBlocks } from "./layout.js";

const parameters = z.strictObject({
  accuracyLevel: z
    .union([z.literal(0), z.literal(4)])
    .default(0)
    .describe(
      "0 multiplies in float32, as is scored; 4 rounds inputs to INT8 and is much faster with 2 and 8 bits",
    ),
  cache: z
    .boolean()
    .default(false)
    .describe("a graph that takes and gives the keys and values of attention, for generating token by token"),
});

export type OnnxParameters = z.infer<typeof parameters>;

/** ONNX for onnxruntime: a whole model, its quantized linears as MatMulNBits. */
export const onnx: GridTarget<OnnxParameters, FloatProduct> = {
  name: "onnx",
  summary:
    "ONNX model for onnxruntime: 1- to 8-bit codes or one trit plane as MatMulNBits, the rest in standard operators",
  source: "onnxruntime, docs/ContribOperators.md (com.microsoft.MatMulNBits); ONNX opset 24",
  parameters,
  typical: { quantize: { method: "rtn", bits: 4, group: 32, clip: true } },
  takesFloat32Scales: true,
  container: onnxContainer,
  refuse(weight, activation) {
    const fitting = layoutFor(weight, activation);
    return "reason" in fitting ? fitting : null;
  },
  pack(weight, { accuracyLevel }) {
    const layout = layoutFor(outlineOf(weight), { scheme: "float" });
    if ("reason" in layout)
      throw new LuthierError(`onnx does not take this linear: ${layout.reason}`, layout.fix);
    const tensors = packBlocks(asInt(weight), layout);
    return { weight: outlineOf(weight), layout: { ...layout, accuracyLevel }, tensors };
  },
  unpack: unpackLinear,
  open: (packed) => ({ weight: dequantize(unpackLinear(packed)) }),
};

function unpackLinear(packed: PackedGrid): GridScheme {
  const { weight, tensors } = packed;
  const layout = layoutIn(packed);
  const outline = asIntOutline(weight);
  if (outline === null) throw damagedPack("its weight is none that onnx takes");
  const codes = unpackBlocks(tensors, outline, layout);
  if (weight.scheme === "int") return codes;
  try {
    return planeOf(weight, codes);
  } catch (error) {
    if (error instanceof RangeError) throw damagedPack(error.message);
    throw error;
  }
}

const layoutSchema = z.strictObject({
  bits: z.union([z.literal(2), z.literal(4), z.literal(8)]),
  block: z.int().positive(),
  accuracyLevel: z.union([z.literal(0), z.literal(4)]),
});

/** @throws LuthierError when the pack's layout is none, or not one of its weight. */
function layoutIn({ weight, layout }: PackedGrid): Layout {
  const read = layoutSchema.safeParse(layout);
  if (!read.success) throw damagedPack(`its layout is none of onnx: ${z.prettifyError(read.error)}`);
  const fitting = layoutFor(weight, { scheme: "float" });
  if ("reason" in fitting) throw damagedPack(fitting.reason);
  if (fitting.bits !== read.data.bits || fitting.block !== read.data.block) {
    throw damagedPack(
      `its layout has blocks of ${read.data.block} in ${read.data.bits} bits, unlike its weight`,
    );
  }
  return fitting;
}

function layoutFor(weight: GridOutline, activation: ActivationScheme): Layout | Refusal {
  if (activation.scheme !== "float") {
    return {
      reason: `its activations are ${describeActivation(activation)}, onnxruntime computes with float ones`,
      fix: "drop `activation` from the rule",
    };
  }
  const outline = asIntOutline(weight);
  if (outline === null) {
    return {
      reason: "it is no single plane of trits, MatMulNBits has one code a weight",
      fix: "use one plane (`absmean`, `twn`) or `rtn`",
    };
  }
  return (
    layoutOf(outline) ?? {
      reason: `its groups of ${outline.group} inputs are no whole blocks of a power of two from 16 on`,
      fix: "use a group that is a multiple of 16, or keep these linears float",
    }
  );
}
