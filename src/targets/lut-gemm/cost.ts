import { z } from "zod";
import { scaleCount } from "../../schemes/scale-grid.js";
import { activationBytes, type GridCostModel, type LinearCost, refuseKind, stream } from "../cost.js";
import { unitsOf } from "../device.js";
import { hasBias, signPlanes } from "./coefficients.js";

/** LUT-GEMM's product of one token (src/cuda/kernels/mv_fp16_bias.hpp): tables of 256 sums for every eight inputs. */
export const lutGemmCost: GridCostModel = {
  source: "naver-aics/lut-gemm, src/cuda/kernels/mv_fp16_bias.hpp; arXiv 2206.09557",
  design: z.strictObject({}),
  notes: [
    "lookups find their banks of shared memory free; conflicts and atomic additions are not modelled: a bound from below",
  ],
  refuse({ tokens }, device) {
    const refused = refuseKind(device, "gpu", "lut-gemm");
    if (refused || tokens === 1) return refused;
    return {
      reason: `LUT-GEMM looks up for one token at a time; for ${tokens} it dequantizes the weight and calls cuBLAS`,
      fix: "look at decoding, or choose another target",
    };
  },
  of({ weight, tokens }, device): LinearCost {
    const { rows, columns } = weight;
    const { multiprocessors, sharedWordsPerCycle } = unitsOf(device, "gpu");
    const planes = signPlanes(weight);
    const lookups = (tokens * rows * columns * planes) / inputsPerTable;
    // Each block of threads makes the tables of its inputs anew for its 2048 outputs.
    const entries = tokens * Math.ceil(rows / rowsOfBlock) * (columns / inputsPerTable) * entriesPerTable;
    const bytes = {
      weights: (planes * rows * columns) / 8,
      scales: 2 * scaleCount(weight) * (planes + (hasBias(weight) ? 1 : 0)),
      activations: activationBytes(weight, tokens, 2, 2),
      tables: lookups * 2,
    };
    const wordsPerCycle = multiprocessors.value * sharedWordsPerCycle.value;
    return {
      stages: [
        [{ name: "table build", cycles: entries / wordsPerCycle, busy: "units" }],
        [{ name: "lookups", cycles: lookups / wordsPerCycle, busy: "units" }, stream(bytes, device)],
      ],
      lookups,
      bytes,
      memory: [
        {
          memory: "shared",
          what: "the tables of one block of threads on each multiprocessor",
          bytes: multiprocessors.value * (inputsOfBlock / inputsPerTable) * entriesPerTable * 2,
        },
      ],
    };
  },
};

/** μ. */
const inputsPerTable = 8;
const entriesPerTable = 256;
const rowsOfBlock = 2048;
const inputsOfBlock = 32;
