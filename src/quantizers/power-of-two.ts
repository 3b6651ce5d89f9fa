import { z } from "zod";
import type { ValuesScheme } from "../schemes/values.js";
import { groupOrRow } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";
import { fitSharedTables, type SharedValues, sharedOutline } from "./value-tables.js";

const options = z.strictObject({
  bits: z.int().min(2).max(5).default(4).describe("bits of a code: 2^bits − 1 values"),
  group: groupOrRow.default(128),
});
type PowerOfTwoOptions = z.infer<typeof options>;

/**
 * Powers of two and zero: a product with such a weight is a shift. The largest of a group is the one that its largest
 * magnitude rounds to, `2^⌊log₂(4/3 · max|w|)⌋` (INQ's equation 3), so scales are powers of two as well; all others are halves
 * of it, as many as the codes tell apart. Each weight takes the nearest. INQ trains in between; here all is done at once.
 */
export const powerOfTwo: Quantizer<PowerOfTwoOptions, ValuesScheme> = {
  name: "power-of-two",
  summary: "powers of two and zero, scales too: products are shifts",
  source:
    "Incremental Network Quantization, arXiv 1702.03044 §2.1; the set of values as in APoT, arXiv 1909.13144 §2.1",
  options,
  outline: (rows, columns, chosen) => sharedOutline(rows, columns, powersOfTwo(chosen)),
  quantize: (weight, chosen, kernels) => fitSharedTables(weight, powersOfTwo(chosen), kernels),
};

export function powersOfTwo({ bits, group }: PowerOfTwoOptions): SharedValues {
  const halves = Array.from({ length: 2 ** (bits - 1) - 1 }, (_, i) => 2 ** -i);
  const table = [...halves.map((value) => -value), 0, ...halves.reverse()];
  return { bits, group, tables: [table], powersOfTwo: true };
}
