import { z } from "zod";
import { scaleCount } from "../../schemes/scale-grid.js";
import type { ActivationScheme } from "../../schemes/scheme.js";
import { activationBytes, type GridCostModel, type LinearCost, refuseKind, stream } from "../cost.js";
import { figure, unitsOf } from "../device.js";
import type { Parameters } from "./choose-layout.js";
import { inputsPerTable } from "./layout.js";

const design = z.strictObject({
  peakOperationsPerSecond: figure.describe("of all tensor cores; a multiplication and an addition are two"),
  weightBitsAtPeak: figure.describe("bits of a weight at that peak: planes take turns, so fewer are faster"),
  squareMillimetresPerMultiprocessor: figure.optional().describe("area of its tensor cores"),
});

type Design = z.infer<typeof design>;

/** LUT Tensor Core (arXiv 2408.06003): tiles of M × N × K, one bit plane a cycle, half tables of four inputs. */
export const lutTensorCoreCost: GridCostModel<Parameters, Design> = {
  source: "LUT Tensor Core, arXiv 2408.06003 §3 and Table 1",
  design,
  notes: [
    "tables are made in the operator before, as the paper fuses them: their additions are counted, no memory traffic",
    "all tiles of a cycle find work, and weights are read once a product: a bound from below",
  ],
  refuse: (_, device) => refuseKind(device, "gpu", "lut-tensor-core"),
  of({ weight, activation, tokens, parameters }, device, chosen): LinearCost {
    const { rows, columns } = weight;
    const { multiprocessors, floatLanes } = unitsOf(device, "gpu");
    const bits = weight.scheme === "int" ? weight.bits : 2;
    const passes = weight.scheme === "int" ? 1 : weight.planes;
    const tables = (tokens * columns) / inputsPerTable;
    const lookups = tables * rows * bits * passes;
    const zeroPointBytes = weight.scheme === "int" && !weight.symmetric ? 1 : 0;
    const bytes = {
      weights: (passes * rows * columns * bits) / 8,
      scales: passes * scaleCount(weight) * (4 + zeroPointBytes),
      activations: activationBytes(weight, tokens, inputBytes(activation, parameters), 2),
      // INT8 entries of float inputs; sums of four integers are taken as INT16, their width is not published.
      tables: lookups * (activation.scheme === "float" ? 1 : 2),
    };
    const lanes = multiprocessors.value * floatLanes.value;
    const planeTiles = tilesOf(rows, columns, tokens, parameters) * bits * passes;
    const perCycle = planeTilesPerCycle(parameters, chosen, device.clockHertz.value);
    return {
      stages: [
        [{ name: "table build", cycles: (tables * additionsPerTable) / lanes, busy: "units" }],
        [{ name: "lookups", cycles: planeTiles / perCycle, busy: "units" }, stream(bytes, device)],
      ],
      lookups,
      bytes,
      memory: [],
    };
  },
};

function inputBytes({ scheme }: ActivationScheme, { floatInput }: Parameters): 1 | 2 {
  if (scheme === "float") return floatInput === "float16" ? 2 : 1;
  return scheme === "int8" ? 1 : 2;
}

/** Half a table, 2^(K−1). */
const entriesPerTable = 8;
/** Two sums of A and B, two of C and D, eight of one of each; signs are free. */
const additionsPerTable = 12;

function tilesOf(rows: number, columns: number, tokens: number, tile: Parameters): number {
  const { tileTokens, tileOutputs, tileInputs } = tile;
  return Math.ceil(tokens / tileTokens) * Math.ceil(rows / tileOutputs) * Math.ceil(columns / tileInputs);
}

/** Tiles of one bit plane that the whole device goes through in a cycle. */
function planeTilesPerCycle(tile: Parameters, chosen: Design, clockHertz: number): number {
  const operationsPerTile = 2 * tile.tileTokens * tile.tileOutputs * tile.tileInputs;
  const { peakOperationsPerSecond, weightBitsAtPeak } = chosen;
  return (peakOperationsPerSecond.value * weightBitsAtPeak.value) / (operationsPerTile * clockHertz);
}

/** Bits of the tables of one tile of four inputs, `M · 2^(K−1) · LUT_BIT`: 128 for M2N64K4 with INT8 entries. */
export function tileTableBits(tileTokens: number, entryBits: number): number {
  return tileTokens * entriesPerTable * entryBits;
}

/** Tera-operations a second and square millimetre, as Table 1 has them: `peak / (area · multiprocessors)`. */
export function computeDensity(
  { peakOperationsPerSecond, squareMillimetresPerMultiprocessor }: Design,
  multiprocessors: number,
): number | null {
  if (squareMillimetresPerMultiprocessor === undefined) return null;
  return peakOperationsPerSecond.value / 1e12 / (squareMillimetresPerMultiprocessor.value * multiprocessors);
}
