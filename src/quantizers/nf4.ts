import { z } from "zod";
import type { ValuesScheme } from "../schemes/values.js";
import { groupOrRow } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";
import { fitSharedTables, type SharedValues, sharedOutline } from "./value-tables.js";

const options = z.strictObject({
  group: groupOrRow.default(64),
});

/**
 * NF4: 16 quantiles of the normal distribution, scaled to each group's largest magnitude. Scales are float16; QLoRA quantizes
 * them a second time.
 */
export const nf4: Quantizer<z.infer<typeof options>, ValuesScheme> = {
  name: "nf4",
  summary: "NF4: 16 quantiles of the normal distribution, group-wise scales",
  source: "QLoRA, arXiv 2305.14314 §3 and appendix E",
  options,
  outline: (rows, columns, { group }) => sharedOutline(rows, columns, normalFloats(group)),
  quantize: (weight, { group }, kernels) => fitSharedTables(weight, normalFloats(group), kernels),
};

/** The float32 values of the paper's appendix E: quantiles of either half of the distribution, and a zero of their own. */
const quantiles = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

export function normalFloats(group: number | "row"): SharedValues {
  return { bits: 4, group, tables: [quantiles] };
}
