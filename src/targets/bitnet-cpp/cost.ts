import { z } from "zod";
import {
  activationBytes,
  type GridCostModel,
  type LinearCost,
  refuseKind,
  type Step,
  stream,
} from "../cost.js";
import { type Device, unitsOf } from "../device.js";
import { times, together, type VectorWork, vectorStep } from "../vector-cost.js";
import { type Layout, layoutOf, type Parameters } from "./layout.js";

/**
 * bitnet.cpp's counts (arXiv 2502.11880): with g weights an index and C = 3 values a weight, `N · K / g` lookups and
 * `K / g · C^g` table entries a token, half of the entries where the sign is kept apart (TL2); in time by the vector
 * instructions of its kernels.
 */
export const bitnetCppCost: GridCostModel<Parameters> = {
  source:
    "bitnet.cpp, arXiv 2502.11880; instructions counted in microsoft/BitNet (ggml-bitnet-mad.cpp, codegen_tl1.py, codegen_tl2.py)",
  design: z.strictObject({}),
  notes: [
    "every core starts as many vector instructions as it can in each cycle, and weights are read once a product: a bound from below",
    "TL1 looks up for one token at a time in bitnet.cpp: more are counted as so many products of one",
  ],
  refuse({ parameters: { kernel } }, device) {
    const refused = refuseKind(device, "cpu", "bitnet-cpp");
    if (refused) return refused;
    const { instructionSet } = unitsOf(device, "cpu");
    if (instructionSetOf[kernel] === instructionSet) return null;
    return {
      reason: `${device.name} has ${instructionSet}, the kernel ${kernel} is written in ${instructionSetOf[kernel]}`,
      fix: `add --set kernel=${instructionSet === "neon" ? "tl1, or kernel=i2_s-arm" : "tl2, or kernel=i2_s-x86"}`,
    };
  },
  of({ weight, activation, tokens, parameters }, device): LinearCost {
    const { rows, columns } = weight;
    const layout = layoutOf(weight, activation, parameters);
    if ("reason" in layout) throw new RangeError(layout.reason);
    const indices = indicesOf(columns, layout);
    const perRow = indices.reduce((sum, { count }) => sum + count, 0);
    const lookups = tokens * rows * perRow;
    const bytes = {
      weights: weightBytes(rows, columns, layout),
      scales: layout.kernel === "tl1" || layout.kernel === "tl2" ? 4 : 0,
      activations: activationBytes(weight, tokens, 4, 4),
      tables: lookups * 2,
    };
    if (indices.length === 0) {
      const multiplying = vectorStep(
        "multiply-add",
        times(tokens * rows * columns, perWeight(layout, device)),
        device,
      );
      return { stages: [[multiplying, stream(bytes, device)]], lookups, bytes, memory: [] };
    }
    return {
      stages: [
        [tableBuild(tokens, indices, layout, device)],
        [lookUp(tokens * rows, indices, device), stream(bytes, device)],
      ],
      lookups,
      bytes,
      memory: [{ memory: "l2", what: "the tables of a token", bytes: perRow * 32 }],
    };
  },
};

const instructionSetOf: Readonly<Record<Layout["kernel"], "neon" | "avx2">> = {
  "i2_s-x86": "avx2",
  "i2_s-arm": "neon",
  tl1: "neon",
  tl2: "avx2",
};

/** Indices of so many weights along a row. */
interface Indices {
  readonly count: number;
  /** Table entries that are made for each, INT16. */
  readonly entries: number;
  /** 64 lookups of 32 bytes of indices (AVX2), or 32 of 16 (NEON), by index. */
  readonly perIndex: VectorWork;
}

/** TL1 has pairs; TL2 triples, and pairs in what whole tiles leave; I2_S none. */
function indicesOf(columns: number, layout: Layout): readonly Indices[] {
  switch (layout.kernel) {
    case "tl1": // shift, and; four table lookups, four interleavings, four additions: 32 pairs
      return [{ count: columns / 2, entries: 9, perIndex: perIndex(14, 32) }];
    case "tl2": {
      const tail = columns % layout.tileInputs;
      // shift, two ands, four lookups, eight shifts of signs, four times interleave, add and flip, four additions: 64
      const triples = { count: (columns - tail) / 3, entries: 14, perIndex: perIndex(31, 64) };
      // without signs: shift, two ands, four lookups, four interleavings, four additions: 64
      return tail === 0 ? [triples] : [triples, { count: tail / 2, entries: 9, perIndex: perIndex(15, 64) }];
    }
    default:
      return [];
  }
}

function perIndex(instructions: number, indices: number): VectorWork {
  return { instructions: instructions / indices, laneCrossings: 0 };
}

/** I2_S: shifts and masks of four codes a byte, multiplied with bytes of activations. */
function perWeight({ kernel }: Layout, device: Device): VectorWork {
  // three shifts, four ands, four multiply-adds of pairs, four additions: 128 weights
  if (kernel === "i2_s-x86") return perIndex(15, 128);
  // three shifts, four ands; four dot products or eight widening multiply-adds: 64 weights
  return perIndex(unitsOf(device, "cpu").dotProduct ? 11 : 15, 64);
}

/** One addition an entry, in vectors of INT16. */
function tableBuild(tokens: number, indices: readonly Indices[], layout: Layout, device: Device): Step {
  const lanes = instructionSetOf[layout.kernel] === "neon" ? 8 : 16;
  const entries = indices.reduce((sum, each) => sum + each.count * each.entries, 0);
  return vectorStep("table build", times((tokens * entries) / lanes, perIndex(1, 1)), device);
}

function lookUp(rows: number, indices: readonly Indices[], device: Device): Step {
  const work = together(...indices.map(({ count, perIndex: each }) => times(rows * count, each)));
  return vectorStep("lookups", work, device);
}

/** I2_S has its scale behind the codes, in 32 bytes; TL2 is as long as if its last 256 inputs were pairs. */
function weightBytes(rows: number, columns: number, { kernel }: Layout): number {
  if (kernel === "tl1") return (rows * columns) / 4;
  if (kernel === "tl2") return Math.floor(((columns - 256) * rows * 5) / 24 + (256 * rows) / 4);
  return (rows * columns) / 4 + 32;
}
