import { z } from "zod";
import { LuthierError } from "../error.js";
import type { ValuesOutline } from "../schemes/values.js";
import { smallFloats } from "./bitmod.js";
import type { CalibratedQuantizer } from "./calibrated-quantizer.js";
import { compensatedBytes, compensatedWeights, compensation } from "./compensated-weights.js";
import { groupOrRow } from "./granularity.js";
import { besideEachOther, type FittedLevels, type LevelGrid } from "./level-grid.js";
import { normalFloats } from "./nf4.js";
import { powersOfTwo } from "./power-of-two.js";
import { ownOutline, type SharedValues, sharedOutline } from "./value-tables.js";

const options = z.strictObject({
  values: z
    .enum(["bitmod", "nf4", "power-of-two", "k-means"])
    .default("bitmod")
    .describe("which values, as the quantizer of that name has them; `k-means`: a table of each group's own"),
  bits: z
    .int()
    .min(1)
    .max(8)
    .default(4)
    .describe("bits of a code; `bitmod` has 3 or 4, `nf4` 4, `power-of-two` 2 to 5"),
  group: groupOrRow.default(128),
  ...compensation,
});
type CompensatedValuesOptions = z.infer<typeof options>;

/** Tables of values, each column's error made up for by the later ones: values of BitMoD, NF4, … in GPTQ's loop. */
export const compensatedValues: CalibratedQuantizer<CompensatedValuesOptions> = {
  name: "compensated-values",
  summary: "values of BitMoD, NF4, …, the error of each column made up for by the later ones",
  source: "BitMoD, arXiv 2411.11745; QLoRA, arXiv 2305.14314 (values); GPTQ, arXiv 2210.17323 (compensation)",
  options,
  outline({ rows, columns }, chosen) {
    const shared = sharedValues(chosen);
    if (shared) return sharedOutline(rows, columns, shared);
    return ownOutline(rows, columns, chosen.bits, chosen.group);
  },
  workingBytes: (linears, _, chosen) => compensatedBytes(linears, chosen),
  quantize(linears, inputs, chosen, { kernels }) {
    const shared = sharedValues(chosen);
    if (shared) return compensatedWeights(linears, inputs, chosen, sharedGrid(shared), kernels);
    return compensatedWeights(linears, inputs, chosen, ownGrid(chosen.bits), kernels);
  },
};

/** @returns null for tables of each group's own. @throws LuthierError when the values have not that many bits. */
function sharedValues({ values, bits, group }: CompensatedValuesOptions): SharedValues | null {
  if (values === "k-means") return null;
  if (values === "bitmod" && (bits === 3 || bits === 4)) return smallFloats({ bits, group, values });
  if (values === "nf4" && bits === 4) return normalFloats(group);
  if (values === "power-of-two" && bits >= 2 && bits <= 5) return powersOfTwo({ bits, group });
  throw new LuthierError(
    `there are no ${values} values of ${bits} bits`,
    "use 3 or 4 bits of bitmod, 4 of nf4, 2 to 5 of power-of-two, or the values `k-means`",
  );
}

interface SharedLevels extends FittedLevels {
  /** `[N]`. */
  readonly scales: Float32Array;
  /** `[N]`. */
  readonly selectors: Uint8Array;
}

/** @param values whose tables have one length. */
function sharedGrid(values: SharedValues): LevelGrid<SharedLevels> {
  const { bits, tables, powersOfTwo = false } = values;
  const [{ length }] = tables;
  return {
    async fit(weights, kernels) {
      const task = { group: weights.columns, tables, powersOfTwo };
      const { scales, selectors } = await kernels.sharedTables(weights.data, task);
      const levels = new Float32Array(weights.rows * length);
      for (const [row, scale] of scales.entries())
        for (const [at, value] of tables[selectors[row]].entries()) levels[row * length + at] = scale * value;
      return { levels, scales, selectors };
    },
    scheme: (grid, codes, groups) => ({
      ...{ scheme: "values", bits, tables, ...grid, codes, ownTables: null },
      scales: besideEachOther(groups.map(({ scales }) => scales)),
      selectors: besideEachOther(groups.map(({ selectors }) => selectors)),
    }),
  };
}

function ownGrid(bits: number): LevelGrid {
  const values = 2 ** bits;
  return {
    async fit(weights, kernels) {
      const { columns } = weights;
      const alike = new Float64Array(columns).fill(1);
      const task = { group: columns, values, importance: alike };
      return { levels: (await kernels.ownTables(weights.data, task)).tables };
    },
    scheme(grid, codes, groups) {
      const outline: ValuesOutline = { scheme: "values", bits, ...grid };
      const ownTables = new Float32Array(grid.rows * groups.length * values);
      for (const [group, { levels }] of groups.entries()) {
        for (let row = 0; row < grid.rows; row++) {
          const table = levels.subarray(row * values, (row + 1) * values);
          ownTables.set(table, (row * groups.length + group) * values);
        }
      }
      return { ...outline, codes, ownTables, scales: null, selectors: null };
    },
  };
}
