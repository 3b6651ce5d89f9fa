import { z } from "zod";
import { LuthierError } from "../../error.js";
import { describeActivation } from "../../schemes/activation.js";
import type { ActivationScheme, GridOutline } from "../../schemes/scheme.js";
import { type GptqVersion, gptqBits, packGptq } from "../../schemes/stored/gptq-layout.js";
import { dequantize, outlineOf } from "../../schemes/weights.js";
import { checkpointContainer } from "../checkpoint-container.js";
import { damagedPack, type FloatProduct, type GridTarget, type PackedGrid, type Refusal } from "../target.js";
import { asInt, asIntOutline } from "../ternary-codes.js";
import { configuration } from "./configuration.js";
import { shapes, unpackLinear } from "./layout.js";

const parameters = z.strictObject({
  checkpointFormat: z
    .enum(["gptq", "gptq_v2"])
    .default("gptq")
    .describe("gptq stores zero points minus one and is read everywhere; gptq_v2 stores them as they are"),
});

export type GptqParameters = z.infer<typeof parameters>;

/** GPTQ checkpoints, for runtimes that dequantize: GPTQModel, transformers, vLLM, SGLang. */
export const gptq: GridTarget<GptqParameters, FloatProduct> = {
  name: "gptq",
  summary:
    "GPTQ checkpoint (safetensors) for GPTQModel, transformers, vLLM: 2-, 3-, 4-, 8-bit codes, one trit plane",
  source: "AutoGPTQ and GPTQModel, qlinear pack(); arXiv 2210.17323",
  parameters,
  typical: { quantize: { method: "rtn", bits: 4, group: 128, symmetric: true } },
  refuse: (weight, activation, { checkpointFormat }) => refusal(weight, activation, checkpointFormat),
  pack(weight, { checkpointFormat }) {
    const refused = refusal(weight, { scheme: "float" }, checkpointFormat);
    if (refused) throw new LuthierError(`gptq does not take this linear: ${refused.reason}`, refused.fix);
    return {
      weight: outlineOf(weight),
      layout: { checkpointFormat },
      tensors: packGptq(asInt(weight), checkpointFormat),
    };
  },
  unpack: (packed) => unpackLinear(packed.tensors, packed.weight, versionIn(packed)),
  open(packed) {
    return { weight: dequantize(unpackLinear(packed.tensors, packed.weight, versionIn(packed))) };
  },
  container: checkpointContainer({ shapes, configuration }),
};

/** @throws LuthierError when the pack's layout is none, or does not take its weight. */
function versionIn({ weight, layout }: PackedGrid): GptqVersion {
  const read = parameters.safeParse(layout);
  if (!read.success || layout.checkpointFormat === undefined) throw damagedPack("its layout is none of gptq");
  const { checkpointFormat } = read.data;
  const refused = refusal(weight, { scheme: "float" }, checkpointFormat);
  if (refused) throw damagedPack(refused.reason);
  return checkpointFormat;
}

/** Group sizes of GPTQModel's `QuantizeConfig`; -1 there is a scale a row. */
const groupSizes: readonly number[] = [16, 32, 64, 128, 256, 512, 1024];

/** AutoGPTQ's linears take no other sizes. */
const sizeUnit = 32;

function refusal(weight: GridOutline, activation: ActivationScheme, version: GptqVersion): Refusal | null {
  if (activation.scheme !== "float") {
    return {
      reason: `its activations are ${describeActivation(activation)}, runtimes of GPTQ compute with float ones`,
      fix: "drop `activation` from the rule",
    };
  }
  const outline = asIntOutline(weight);
  if (outline === null) {
    return {
      reason: "it is no single plane of trits, GPTQ has one code a weight",
      fix: "use one plane (`absmean`, `twn`) or `rtn`",
    };
  }
  const { bits, symmetric, rows, columns, group, scaleRows } = outline;
  if (!gptqBits.includes(bits)) {
    return {
      reason: `its codes have ${bits} bits, GPTQ has ${gptqBits.join(", ")}`,
      fix: "use one of these",
    };
  }
  if (scaleRows === 1 && rows > 1) {
    return {
      reason: "it has one float32 scale for the tensor, GPTQ has float16 scales of rows or groups",
      fix: "use `group: row` or a number",
    };
  }
  if (group !== columns && !groupSizes.includes(group)) {
    return {
      reason: `its groups have ${group} inputs, GPTQ has groups of ${groupSizes.join(", ")}, or rows`,
      fix: "use one of these for `group`, or `row`",
    };
  }
  if (rows % sizeUnit !== 0 || columns % sizeUnit !== 0) {
    return {
      reason: `its ${rows} outputs and ${columns} inputs are no multiples of ${sizeUnit}`,
      fix: "keep these linears float",
    };
  }
  if (version === "gptq" && !symmetric) {
    return {
      reason:
        "it has zero points, of which checkpointFormat gptq has no place for 0 that all runtimes read alike",
      fix: "use `checkpointFormat: gptq_v2`, or `symmetric: true`",
    };
  }
  return null;
}
