import { z } from "zod";
import { LuthierError } from "../error.js";
import { cut, type Part, type PartsOutline, partsOf } from "../schemes/parts.js";
import { scaleGrid } from "../schemes/scale-grid.js";
import type { CalibratedQuantizer, LinearShape } from "./calibrated-quantizer.js";
import { largestInputs } from "./largest-inputs.js";
import { weightsOf } from "./linear-sizes.js";
import { rtn } from "./rtn.js";

const options = z.strictObject({
  block: z.int().min(1).default(128).describe("channels that are represented alike and share scales"),
  share: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe("blocks of the largest inputs, at most, that are INT8, and one at least; 0: none"),
});
type FmpqOptions = z.infer<typeof options>;

/**
 * FMPQ of COMET: channels are put in order of their largest inputs, so that those with outliers come together in few
 * blocks. These blocks have INT8 inputs, all others INT4; weights are INT4 everywhere.
 *
 * Open in what is published: which blocks are INT8 (here a share of them), the scales of inputs (here one a token and block)
 * and of weights (here symmetric, one a row and block, clipped where the error is least).
 */
export const fmpq: CalibratedQuantizer<FmpqOptions> = {
  name: "fmpq",
  summary: "INT4 weights; channels with outliers gathered in blocks of INT8 inputs, all others INT4",
  source: "COMET, arXiv 2410.12168 (FMPQ)",
  options,
  outline: outlineOf,
  workingBytes: (linears) => 5 * weightsOf(linears), // cut columns, and codes, of all at once
  async quantize(linears, inputs, chosen, { kernels }) {
    const order = byFallingMagnitude(largestInputs(linears, inputs));
    return Promise.all(
      linears.map(async (linear) => {
        const parts: Part[] = [];
        let first = 0;
        for (const { weight, activation } of outlineOf(linear, chosen).parts) {
          const columns = order.subarray(first, first + weight.columns);
          const rounding = { ...int4, group: chosen.block, clip: true };
          const codes = await rtn.quantize(cut(linear.weight, "columns", columns), rounding, kernels);
          parts.push({ weight: codes, activation });
          first += weight.columns;
        }
        return partsOf("columns", parts, order);
      }),
    );
  },
};

const int4 = { bits: 4, symmetric: true } as const;

function outlineOf({ rows, columns }: LinearShape, { block, share }: FmpqOptions): PartsOutline {
  if (columns % block !== 0)
    throw new LuthierError(
      `blocks of ${block} channels do not divide its ${columns} inputs`,
      "set `block` to a divisor of them, or keep these linears float",
    );
  const blocks = columns / block;
  const wide = share === 0 ? 0 : Math.max(1, Math.floor(share * blocks));
  const sizes = { int8: wide * block, int4: (blocks - wide) * block } as const;
  const parts = (["int8", "int4"] as const)
    .filter((scheme) => sizes[scheme] > 0)
    .map((scheme) => ({
      weight: { scheme: "int", ...int4, ...scaleGrid(rows, sizes[scheme], block) } as const,
      activation: { scheme, per: block },
    }));
  return { scheme: "parts", rows, columns, by: "columns", parts };
}

/** Channels by falling magnitude, the first of equals first. */
function byFallingMagnitude(largest: Float32Array): Uint32Array {
  return Uint32Array.from([...largest.keys()].sort((a, b) => largest[b] - largest[a] || a - b));
}
