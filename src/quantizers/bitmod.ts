import { z } from "zod";
import { LuthierError } from "../error.js";
import type { ValuesScheme, ValueTables } from "../schemes/values.js";
import { groupOrRow } from "./granularity.js";
import type { Quantizer } from "./quantizer.js";
import { fitSharedTables, type SharedValues, sharedOutline } from "./value-tables.js";

const options = z.strictObject({
  bits: z
    .union([z.literal(3), z.literal(4)])
    .default(4)
    .describe("bits of a code"),
  group: groupOrRow
    .default(128)
    .describe("weights that share a scale and a special value: a number of consecutive inputs, or `row`"),
  values: z
    .enum(["bitmod", "float", "flint"])
    .default("bitmod")
    .describe(
      "`bitmod`: FP3 or FP4 with one of four special values a group; for comparison `float`: without; `flint`: ANT's 4 bits",
    ),
});
type BitmodOptions = z.infer<typeof options>;

/**
 * BitMoD: small floats whose redundant −0 stands for a special value, chosen a group out of four: two that lie between the
 * others and two beyond them. Each group tries all four and takes the least squared error.
 *
 * The scale is always that of the largest magnitude over the table's largest, also where a table reaches further on one
 * side, as in the authors' code. Its clamps of scales to 1e-5 … 1e4 and its start of the search at an error of 1e3 depend on
 * the unit of the weights, and are left out.
 */
export const bitmod: Quantizer<BitmodOptions, ValuesScheme> = {
  name: "bitmod",
  summary: "BitMoD: FP3 or FP4 with a special value chosen for each group",
  source:
    "BitMoD, arXiv 2411.11745 §III; abdelfattah-lab/BitMoD-HPCA-25 quant_weight.py; flint: ANT, arXiv 2208.14286",
  options,
  outline: (rows, columns, chosen) => sharedOutline(rows, columns, smallFloats(chosen)),
  quantize: (weight, chosen, kernels) => fitSharedTables(weight, smallFloats(chosen), kernels),
};

/** FP3: zero and 2^0 … 2^2. */
const fp3 = [1, 2, 4];

/** FP4, E2M1, doubled so that its values are whole numbers. */
const fp4 = [1, 2, 3, 4, 6, 8, 12];

const flint4 = [1, 2, 3, 4, 6, 8, 16];

/** @throws LuthierError for 3 bits of `flint`. */
export function smallFloats({ bits, group, values }: BitmodOptions): SharedValues {
  if (values === "flint" && bits !== 4)
    throw new LuthierError("flint values have 4 bits", "use `bits: 4`, or the values `bitmod` or `float`");
  return { bits, group, tables: tablesFor(bits, values) };
}

function tablesFor(bits: 3 | 4, values: BitmodOptions["values"]): ValueTables {
  if (values === "flint") return [mirrored(flint4)];
  const basic = mirrored(bits === 3 ? fp3 : fp4);
  if (values === "float") return [basic];
  const [between, beyond] = bits === 3 ? [3, 6] : [10, 16];
  return [between, -between, beyond, -beyond].map((special) => [...basic, special].sort((a, b) => a - b));
}

function mirrored(magnitudes: readonly number[]): readonly number[] {
  return [...magnitudes.map((value) => -value).reverse(), 0, ...magnitudes];
}
