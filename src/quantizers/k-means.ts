import { z } from "zod";
import type { ValuesScheme } from "../schemes/values.js";
import { groupOrRow } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";
import { fitOwnTables, ownOutline } from "./value-tables.js";

const options = z.strictObject({
  bits: z.int().min(1).max(8).default(4).describe("bits of a code: 2^bits values a table"),
  group: groupOrRow
    .default("row")
    .describe("weights that share a table: a number of consecutive inputs, or `row`"),
});

/** The table of values of least squared error for each row or group: what no other scalar values can beat on the weights. */
export const kMeans: Quantizer<z.infer<typeof options>, ValuesScheme> = {
  name: "k-means",
  summary: "a table of values for each row, of least squared error",
  source:
    "one-dimensional k-means, solved exactly: Grønlund et al., arXiv 1701.07204; SqueezeLLM without its weights",
  options,
  outline: (rows, columns, { bits, group }) => ownOutline(rows, columns, bits, group),
  quantize: (weight, chosen, kernels) =>
    fitOwnTables(weight, chosen, new Float64Array(weight.columns).fill(1), kernels),
};
