import { z } from "zod";
import { scaleCount } from "../../schemes/scale-grid.js";
import { activationBytes, type GridCostModel, type LinearCost, refuseKind, stream } from "../cost.js";
import { unitsOf } from "../device.js";
import { times, together, type VectorWork, vectorStep } from "../vector-cost.js";
import { inputsPerIndex } from "./layout.js";
import type { Aggregation } from "./lookups.js";
import type { FloatFormat } from "./processor.js";

interface Parameters {
  readonly float: FloatFormat;
  readonly aggregation: Aggregation;
}

/**
 * T-MAC's own counts (arXiv 2407.00088): `tokens · N · K · bits / 4` lookups and `tokens · K / 4 · 16` table entries,
 * turned into time by the vector instructions of its kernels.
 */
export const tMacCost: GridCostModel<Parameters> = {
  source: "T-MAC, arXiv 2407.00088; instructions counted in its python/t_mac/intrins/tbl.cc and lut_ctor.cc",
  design: z.strictObject({}),
  notes: [
    "every core starts as many vector instructions as it can in each cycle, and weights are read once a product: a bound from below",
  ],
  refuse({ parameters }, device) {
    const refused = refuseKind(device, "cpu", "t-mac");
    if (refused) return refused;
    const { instructionSet } = unitsOf(device, "cpu");
    if (kernels[parameters.float].instructionSet === instructionSet) return null;
    const float = instructionSet === "neon" ? "float16" : "float32";
    return {
      reason: `${device.name} has ${instructionSet}, which computes in ${float}; the parameter float is ${parameters.float}`,
      fix: `add --set float=${float}`,
    };
  },
  of({ weight, tokens, parameters }, device): LinearCost {
    const { rows, columns } = weight;
    const kernel = kernels[parameters.float];
    const bits = weight.scheme === "int" ? weight.bits : 2;
    const passes = weight.scheme === "int" ? 1 : weight.planes;
    const lookups = (tokens * passes * rows * columns * bits) / inputsPerIndex;
    const activationGroup = weight.group % 64 === 0 ? 64 : 32;
    const strips = (tokens * passes * rows * bits) / rowsOfStrip;
    const looking = together(
      times(lookups / rowsOfStrip, kernel.perIndex[parameters.aggregation]),
      times((strips * columns) / activationGroup, kernel.perActivationGroup),
    );
    const building = times((tokens * columns) / 32, kernel.tablesOf32Inputs);
    const grids = weight.scheme === "int" && !weight.symmetric ? 2 : passes;
    const bytes = {
      weights: (passes * rows * columns * bits) / 8,
      scales: grids * scaleCount(weight) * kernel.bytesPerFloat,
      activations: activationBytes(weight, tokens, kernel.bytesPerFloat, kernel.bytesPerFloat),
      tables: lookups,
    };
    return {
      stages: [
        [vectorStep("table build", building, device)],
        [vectorStep("lookups", looking, device), stream(bytes, device)],
      ],
      lookups,
      bytes,
      memory: [{ memory: "l2", what: "the tables of a token", bytes: (columns / inputsPerIndex) * 16 }],
    };
  },
};

/** Expanded rows that one vector of indices serves, in both instruction sets. */
const rowsOfStrip = 32;

interface Kernel {
  readonly instructionSet: "neon" | "avx2";
  /** 32 lookups: the indices of four inputs for a strip. */
  readonly perIndex: Readonly<Record<Aggregation, VectorWork>>;
  /** From the sums of a strip to floats, scaled and added. */
  readonly perActivationGroup: VectorWork;
  readonly tablesOf32Inputs: VectorWork;
  readonly bytesPerFloat: number;
}

const kernels: Readonly<Record<FloatFormat, Kernel>> = {
  float16: {
    instructionSet: "neon",
    perIndex: {
      // and, shift; two table lookups; four halves of widening additions
      exact: { instructions: 8, laneCrossings: 0 },
      // two rounding averages instead of the additions
      fast: { instructions: 6, laneCrossings: 0 },
    },
    // four conversions, four fused products and additions, four by the weight scale
    perActivationGroup: { instructions: 12, laneCrossings: 0 },
    // 24 sums, 8 negations, 16 products, conversions and narrowings each, 128 stores of single lanes
    tablesOf32Inputs: { instructions: 208, laneCrossings: 0 },
    bytesPerFloat: 2,
  },
  float32: {
    instructionSet: "avx2",
    perIndex: {
      // two ands, shift, joining both nibbles' vectors; one table lookup; taking apart, two widenings, two additions
      exact: { instructions: 10, laneCrossings: 4 },
      // one average instead of the last five
      fast: { instructions: 6, laneCrossings: 1 },
    },
    // two extractions, four widenings, four conversions, four products, four additions, four by the weight scale
    perActivationGroup: { instructions: 22, laneCrossings: 6 },
    // 24 sums, 8 negations, 16 products, roundings and conversions each, 16 packs and shuffles, 32 extractions
    tablesOf32Inputs: { instructions: 128, laneCrossings: 32 },
    bytesPerFloat: 4,
  },
};
