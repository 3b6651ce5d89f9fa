import { LuthierError } from "../../error.js";
import type { WeightScheme } from "../../schemes/scheme.js";
import { tableOf } from "../../schemes/vectors.js";
import { outlineOf } from "../../schemes/weights.js";
import { matrix } from "../../tensor/matrix.js";
import { type Arithmetic, damagedPack, type PackedLinear, refuseUnsound, type Target } from "../target.js";
import { lutLlmContainer } from "./container.js";
import { cornersOf } from "./corners.js";
import { lutLlmCost } from "./cost.js";
import { kernelGlue } from "./glue.js";
import { packWeight, unpackWeight } from "./pack.js";
import { type LutLlmParameters, lutLlmParameters } from "./parameters.js";
import { type TabledScheme, tabledOutline, unsoundNumber } from "./tabled.js";
import { traceToken } from "./trace.js";

const float = { scheme: "float" } as const;

/** LUT-LLM's accelerator on the V80: inputs and weights as ids of centroids, products in two-dimensional tables. */
export const lutLlm: Target<LutLlmParameters, Arithmetic, WeightScheme> = {
  name: "lut-llm",
  summary:
    "LUT-LLM FPGA (V80): centroids of weights and inputs, uint8 or uint4 tables of their products, HBM images",
  source: "LUT-FPGA/LUT-LLM; arXiv 2511.06174",
  parameters: lutLlmParameters,
  takesVectors: true,
  typical: { quantize: { method: "co-quantization" } },
  refuse(weight, activation) {
    const outline = tabledOutline(weight, activation);
    return "reason" in outline ? outline : null;
  },
  pack(weight, { ports }) {
    const outline = tabledOutline(weight, float);
    if ("reason" in outline) throw misfit(outline.reason, outline.fix);
    const tabled = weight as TabledScheme; // an outline with a table has one in its scheme
    const unsound = unsoundNumber(tabled);
    if (unsound) throw misfit(unsound, "quantize it again, or keep it float");
    return {
      weight: outlineOf(weight),
      layout: { ports },
      tensors: packWeight(tabled, ports),
    };
  },
  unpack: weightOf,
  open(packed, kernels) {
    const product = tableOf(weightOf(packed));
    return {
      async multiply(input) {
        refuseUnsound(input, input); // a lookup would hide it: NaN is next to the first centroid
        return kernels.tableProduct(input, product);
      },
    };
  },
  trace(packed, token) {
    const weight = weightOf(packed);
    const input = matrix(1, token.length, token);
    refuseUnsound(input, input);
    return traceToken(token, weight);
  },
  corners: (packed) => cornersOf(weightOf(packed)),
  container: lutLlmContainer,
  cost: lutLlmCost,
  glue: ({ fidelity }) => (fidelity === "kernel" ? kernelGlue : null),
};

/** @throws LuthierError when the pack is none of this target, or its tensors do not fit it. */
function weightOf({ weight, layout, tensors }: PackedLinear): TabledScheme {
  const { ports } = layout;
  if (ports !== 16 && ports !== 32) throw damagedPack(`its layout has ${ports} ports, lut-llm has 16 or 32`);
  const outline = tabledOutline(weight, float);
  if ("reason" in outline) throw damagedPack(outline.reason);
  return unpackWeight(tensors, outline, ports);
}

function misfit(reason: string, fix: string): LuthierError {
  return new LuthierError(`lut-llm does not take this linear: ${reason}`, fix);
}
