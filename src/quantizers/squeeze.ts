import { z } from "zod";
import type { CalibratedQuantizer } from "./calibrated-quantizer.js";
import { expectFiniteInput } from "./finite-inputs.js";
import { groupOrRow } from "./granularity.js";
import { meanSquares } from "./input-moments.js";
import { weightsOf } from "./linear-sizes.js";
import { fitOwnTables, ownOutline } from "./value-tables.js";

const options = z.strictObject({
  bits: z.int().min(1).max(8).default(3).describe("bits of a code: 2^bits values a table"),
  group: groupOrRow
    .default("row")
    .describe("weights that share a table: a number of consecutive inputs, or `row`"),
});

/**
 * SqueezeLLM's dense part: k-means of each row's weights, weighted by how much they matter, here solved exactly.
 *
 * The paper's weights are squared gradients `E[(g_n x_k)²]`, which need a backward pass. Taking the gradient g of an output to
 * be independent of the input x, they are `E[g_n²] · E[x_k²]`, and the first factor is the same for a whole row: what is
 * left are the second moments of the inputs, which calibration gives. Outliers are not kept apart.
 */
export const squeeze: CalibratedQuantizer<z.infer<typeof options>> = {
  name: "squeeze",
  summary: "SqueezeLLM's k-means: a table of values for each row, weighted by the inputs' second moments",
  source: "SqueezeLLM, arXiv 2306.07629 §4.1; the exact solution: Grønlund et al., arXiv 1701.07204",
  options,
  outline: ({ rows, columns }, { bits, group }) => ownOutline(rows, columns, bits, group),
  workingBytes: weightsOf, // codes of all at once
  async quantize(linears, inputs, chosen, { kernels }) {
    const importance = meanSquares(inputs);
    expectFiniteInput(linears, importance);
    return Promise.all(linears.map(({ weight }) => fitOwnTables(weight, chosen, importance, kernels)));
  },
};
