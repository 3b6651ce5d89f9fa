import { z } from "zod";
import { LuthierError } from "../../error.js";
import { describeActivation } from "../../schemes/activation.js";
import type { ActivationScheme, GridOutline } from "../../schemes/scheme.js";
import { packCompressed } from "../../schemes/stored/compressed-layout.js";
import { dequantize, outlineOf } from "../../schemes/weights.js";
import { checkpointContainer } from "../checkpoint-container.js";
import { damagedPack, type FloatProduct, type GridTarget, type PackedGrid, type Refusal } from "../target.js";
import { asInt, asIntOutline } from "../ternary-codes.js";
import { configuration } from "./configuration.js";
import { shapes, unpackLinear } from "./layout.js";

const parameters = z.strictObject({});

/** Checkpoints of compressed-tensors, for runtimes that dequantize: vLLM, transformers, SGLang. */
export const compressedTensors: GridTarget<z.infer<typeof parameters>, FloatProduct> = {
  name: "compressed-tensors",
  summary:
    "compressed-tensors checkpoint (pack-quantized) for vLLM, transformers: 2- to 8-bit codes, one trit plane",
  source: "vllm-project/compressed-tensors, compressors/pack_quantized",
  parameters,
  typical: { quantize: { method: "rtn", bits: 4, group: 128 } },
  refuse: (weight, activation) => refusal(weight, activation),
  pack(weight) {
    const refused = refusal(weight, { scheme: "float" });
    if (refused) {
      throw new LuthierError(`compressed-tensors does not take this linear: ${refused.reason}`, refused.fix);
    }
    return { weight: outlineOf(weight), layout: { format }, tensors: packCompressed(asInt(weight)) };
  },
  unpack: (packed) => unpackChecked(packed),
  open: (packed) => ({ weight: dequantize(unpackChecked(packed)) }),
  container: checkpointContainer({ shapes, configuration }),
};

const format = "pack-quantized";

/** @throws LuthierError when the pack's layout is none, or its tensors do not fit its weight. */
function unpackChecked({ weight, layout, tensors }: PackedGrid) {
  if (layout.format !== format) throw damagedPack(`its format is ${layout.format}, not ${format}`);
  const refused = refusal(weight, { scheme: "float" });
  if (refused) throw damagedPack(refused.reason);
  return unpackLinear(tensors, weight);
}

/** Codes of rows and of outputs then fill whole words at any number of bits, and every tensor is aligned. */
const sizeUnit = 32;

function refusal(weight: GridOutline, activation: ActivationScheme): Refusal | null {
  if (activation.scheme !== "float") {
    return {
      reason: `its activations are ${describeActivation(activation)} by absmax, compressed-tensors divides by 127.5`,
      fix: "drop `activation` from the rule",
    };
  }
  const outline = asIntOutline(weight);
  if (outline === null) {
    return {
      reason: "it is no single plane of trits, compressed-tensors has one code a weight",
      fix: "use one plane (`absmean`, `twn`) or `rtn`",
    };
  }
  const { bits, rows, columns, scaleRows } = outline;
  if (bits === 1)
    return { reason: "its codes have 1 bit, this target takes 2 to 8", fix: "use 2 bits or more" };
  if (scaleRows === 1 && rows > 1) {
    return {
      reason: "it has one float32 scale for the tensor, runtimes read float16 scales of rows or groups",
      fix: "use `group: row` or a number",
    };
  }
  if (rows % sizeUnit !== 0 || columns % sizeUnit !== 0) {
    return {
      reason: `its ${rows} outputs and ${columns} inputs are no multiples of ${sizeUnit}`,
      fix: "keep these linears float",
    };
  }
  return null;
}
