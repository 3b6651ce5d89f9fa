import { z } from "zod";
import type { CalibratedQuantizer } from "./calibrated-quantizer.js";
import { compensatedBytes, compensatedWeights, compensation } from "./compensated-weights.js";
import { groupOrRow } from "./granularity.js";
import { besideEachOther, type FittedLevels, type LevelGrid } from "./level-grid.js";
import { rtn } from "./rtn.js";

const options = z.strictObject({
  bits: z.int().min(1).max(8).default(4).describe("bits of a code"),
  group: groupOrRow.default(128),
  symmetric: z
    .boolean()
    .default(false)
    .describe("no zero point: levels mirror each other around 0 (2 bits or more)"),
  clip: z.boolean().default(false).describe("search each group's clipping range with the least |error|^2.4"),
  ...compensation,
});

/** GPTQ: uniform codes, each column's error made up for by the later ones. */
export const gptq: CalibratedQuantizer<z.infer<typeof options>> = {
  name: "gptq",
  summary: "uniform INT-1…8, the error of each column made up for by the later ones",
  source: "GPTQ, arXiv 2210.17323; IST-DASLab/gptq; group-aware order: arXiv 2505.14638",
  options,
  outline: ({ rows, columns }, chosen) => rtn.outline(rows, columns, chosen),
  workingBytes: (linears, _, chosen) => compensatedBytes(linears, chosen),
  quantize: (linears, inputs, chosen, { kernels }) =>
    compensatedWeights(linears, inputs, chosen, uniformGrid(chosen), kernels),
};

interface UniformLevels extends FittedLevels {
  /** `[N]`. */
  readonly scales: Float32Array;
  /** `[N]`; null when symmetric. */
  readonly zeroPoints: Uint8Array | null;
}

/** Ranges as round-to-nearest takes them; symmetric codes leave out the lowest, which has no counterpart. */
function uniformGrid({
  bits,
  symmetric,
  clip,
}: Pick<z.infer<typeof options>, "bits" | "symmetric" | "clip">): LevelGrid<UniformLevels> {
  const lowest = symmetric ? 1 : 0;
  const count = 2 ** bits - lowest;
  return {
    async fit(weights, kernels) {
      const task = { group: weights.columns, bits, symmetric, clip };
      const { scales, zeroPoints } = await kernels.roundToNearest(weights.data, task);
      const levels = new Float32Array(scales.length * count);
      for (const [row, scale] of scales.entries()) {
        const zeroPoint = zeroPoints ? zeroPoints[row] : 2 ** (bits - 1);
        for (let level = 0; level < count; level++)
          levels[row * count + level] = scale * (lowest + level - zeroPoint);
      }
      return { levels, scales, zeroPoints };
    },
    scheme: (grid, codes, groups) => ({
      ...{ scheme: "int", bits, symmetric, ...grid },
      codes: lowest === 0 ? codes : codes.map((level) => lowest + level),
      scales: besideEachOther(groups.map(({ scales }) => scales)),
      zeroPoints: symmetric ? null : besideEachOther(groups.flatMap(({ zeroPoints }) => zeroPoints ?? [])),
    }),
  };
}
