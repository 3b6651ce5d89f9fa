import { z } from "zod";
import { keepFloat, losslessDtype } from "../schemes/kept-float.js";
import { cut, type Part, type PartsOutline, partsOf } from "../schemes/parts.js";
import { scaleGrid } from "../schemes/scale-grid.js";
import type { CalibratedQuantizer, LinearShape } from "./calibrated-quantizer.js";
import { largestInputs } from "./largest-inputs.js";
import { weightsOf } from "./linear-sizes.js";
import { rtn } from "./rtn.js";

const options = z.strictObject({
  threshold: z
    .number()
    .nonnegative()
    .default(6)
    .describe(
      "inputs whose largest magnitude on the calibration text reaches it stay float, with their weights",
    ),
});

/** A scale a row of weights, a scale a token. */
const int8 = { bits: 8, symmetric: true } as const;
const rounding = { ...int8, group: "row", clip: false } as const;
const perToken = { scheme: "int8", per: "token" } as const;

/**
 * LLM.int8(): integers for all inputs but those with outliers, which stay float with their columns of the weight.
 *
 * The published method looks for outliers in each batch when the model runs, so what one sequence gets depends on others
 * beside it. Here they are those of the calibration text: the same for all, and known to who makes the hardware.
 */
export const llmInt8: CalibratedQuantizer<z.infer<typeof options>> = {
  name: "llm-int8",
  summary: "INT8 weights and inputs; columns of outlier inputs stay float",
  source: "LLM.int8(), arXiv 2208.07339 §3; outliers from calibration text, not found at run time",
  options,
  outline: plannedOutline,
  workingBytes: (linears) => 5 * weightsOf(linears), // cut columns, and codes, of all at once
  async quantize(linears, inputs, { threshold }, { kernels }) {
    const largest = largestInputs(linears, inputs);
    const columns = Uint32Array.from(largest.keys());
    const regular = columns.filter((column) => largest[column] < threshold);
    const outliers = columns.filter((column) => largest[column] >= threshold);
    return Promise.all(
      linears.map(async ({ weight }) => {
        const parts: Part[] = [];
        if (regular.length > 0)
          parts.push({
            weight: await rtn.quantize(cut(weight, "columns", regular), rounding, kernels),
            activation: perToken,
          });
        if (outliers.length > 0)
          parts.push({
            weight: keepFloat(cut(weight, "columns", outliers), losslessDtype(weight.data)),
            activation: { scheme: "float" },
          });
        return partsOf("columns", parts, Uint32Array.from([...regular, ...outliers]));
      }),
    );
  },
};

/** As if there were no outliers: how many there are is known only after looking at inputs. */
function plannedOutline({ rows, columns }: LinearShape): PartsOutline {
  return {
    ...{ scheme: "parts", rows, columns, by: "columns" },
    parts: [
      { weight: { scheme: "int", ...int8, ...scaleGrid(rows, columns, "row") }, activation: perToken },
      { weight: { scheme: "float", rows, columns: 0, dtype: "F16" }, activation: { scheme: "float" } },
    ],
  };
}
