import { z } from "zod";
import { activationBytes, type GridCostModel, type LinearCost, refuseKind, stream } from "../cost.js";
import { packetBytes, wordsPerPacket } from "./image.js";
import { indicesPerWord, wordsAlong } from "./layout.js";

interface Parameters {
  /** Q. */
  readonly columnsPerCycle: number;
}

/** TeLLMe's formulas (arXiv 2510.15926 §III): cycles of its table-lookup unit, packets from DDR, URAM and LUT RAM. */
export const tellmeCost: GridCostModel<Parameters> = {
  source: "TeLLMe v2, arXiv 2510.15926 §III",
  design: z.strictObject({}),
  notes: [
    "columnsPerCycle (Q) is not published; `--set columnsPerCycle=…` shows others",
    "words are loaded once a product while others are looked up; whether decoding overlaps the two is not published",
  ],
  refuse: (_, device) => refuseKind(device, "fpga", "tellme"),
  of({ weight, tokens, parameters: { columnsPerCycle } }, device): LinearCost {
    const { rows, columns } = weight;
    const planes = weight.scheme === "planes" ? weight.planes : 1;
    const slices = wordsAlong(columns);
    const packets = Math.ceil((planes * slices * rows) / wordsPerPacket);
    const lookups = tokens * planes * slices * rows * indicesPerWord;
    const bytes = {
      weights: packets * packetBytes,
      scales: planes * 4,
      activations: activationBytes(weight, tokens, 2, 2),
      tables: (lookups * bitsPerEntry) / 8,
    };
    return {
      stages: [
        [
          {
            name: "lookups",
            cycles: tokens * planes * slices * Math.ceil(rows / columnsPerCycle),
            busy: "units",
          },
          // An adder tree for every entry of all 28 tables (LUT_tree): the tables of a slice in a cycle.
          { name: "table build", cycles: tokens * slices, busy: "units" },
          { name: "packets", cycles: packets, busy: "off-chip" },
          stream(bytes, device),
        ],
      ],
      lookups,
      bytes,
      memory: [
        {
          memory: "uram",
          what: "the index words of the largest linear",
          bytes: uramsOf(columns, rows, columnsPerCycle) * bytesPerUram,
        },
        {
          memory: "lutram",
          what: "28 tables for each word of a cycle",
          bytes: tableBits(columnsPerCycle) / 8,
        },
      ],
    };
  },
};

const entriesPerTable = 27;
/** 8 + ⌈log2 3⌉. */
const bitsPerEntry = 10;
const uramDepth = 4096;
const bytesPerUram = (uramDepth * 72) / 8;
/** c: URAM blocks side by side for a word of 140 bits. */
const uramsPerWord = 2;

/** `⌈(Y/Q) · ⌈X/(G·T)⌉ / 4096⌉ · c · Q/2`: the outputs lie in Q / 2 banks of two ports. */
export function uramsOf(inputs: number, outputs: number, columnsPerCycle: number): number {
  const wordsOfColumn = (outputs / columnsPerCycle) * wordsAlong(inputs);
  return (Math.ceil(wordsOfColumn / uramDepth) * uramsPerWord * columnsPerCycle) / 2;
}

/** `B_TB · N_TB · Q · T`: each of the Q words of a cycle has copies of all 28 tables. */
export function tableBits(columnsPerCycle: number): number {
  return bitsPerEntry * entriesPerTable * columnsPerCycle * indicesPerWord;
}
