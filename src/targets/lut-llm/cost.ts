import { z } from "zod";
import type { WeightOutline } from "../../schemes/scheme.js";
import { positionsOf, type TableOutline, type VectorsOutline } from "../../schemes/vectors.js";
import { type CostModel, type LinearCost, type Product, refuseKind, type Step, stream } from "../cost.js";
import { type Device, unitsOf } from "../device.js";
import type { Refusal } from "../target.js";
import {
  bothCentroids,
  inputCentroids,
  loadedBytes,
  type Representation,
  type Shape,
  weightCentroids,
} from "./representations.js";

/**
 * LUT-LLM as its kernels are written (`imm.h`, `ccu_fp32.h`): 16 positions side by side make a row of the image, and while
 * one row is looked up for all tokens, the next one's tables and ids stream in and its inputs are searched.
 *
 * Projections are fused: queries, keys and values are one, with tables in common, and so are gate and up, with a row in
 * common. A linear has its outputs' share of what the fused projection has together, so that the linears of a block add
 * up to the fused projections' beats.
 */
export const lutLlmCost: CostModel = {
  source: "LUT-LLM, arXiv 2511.06174 §III; kernels of LUT-FPGA/LUT-LLM (imm.h, ccu_fp32.h)",
  design: z.strictObject({}),
  notes: [
    "a row of 16 positions takes as long as the longest of its beats, its lookups and its search; filling the pipeline, clearing and reading out accumulators are not counted",
    "inputs and outputs of linears stay on the chip; tables are buffered twice, and blocks of BRAM and URAM are not rounded up to",
    "the published kernel is compiled for prompts of at most 128 tokens; longer ones are estimated as if compiled for them",
    "the published power was estimated before the kernels took uint4 tables; it counts for both",
  ],
  refuse({ weight }, device): Refusal | null {
    if (!hasTable(weight)) {
      return {
        reason: "LUT-LLM looks up products of two centroids, and this weight has no table of them",
        fix: "quantize it with `co-quantization`, tables included",
      };
    }
    const wrongKind = refuseKind(device, "fpga", "lut-llm");
    if (wrongKind) return wrongKind;
    if (bytesPerCycle(device) !== null) return null;
    return {
      reason: `${device.name} does not say through which ports tables would stream`,
      fix: "choose v80 or another board with such memory, or add `memoryPorts` and `portBytes` to a device file's units",
    };
  },
  of(product, device): LinearCost {
    const { tokens } = product;
    const weight = tabled(product.weight);
    const shape = shapeOf(product);
    const { tables, ids, codebooks } = bothCentroids(shape);
    const blocks = weight.blocks * shape.shareOfBlock;
    const positions = positionsOf(weight);
    const bytes = {
      weights: tables + ids + codebooks,
      scales: weight.table.scales * 8,
      activations: 0,
      // The entries of a block for the input's centroid are read at once, and outputs pick theirs.
      tables: (tokens * positions * blocks * weight.centroids * weight.table.bits) / 8,
    };
    return {
      stages: [
        [
          { name: "beats", cycles: loadCycles(tables + ids, device), busy: "off-chip" },
          lookUp(product, shape),
          search(product, shape),
          stream(bytes, device),
        ],
      ],
      lookups: tokens * positions * weight.rows,
      bytes,
      weightParts: [
        { what: "tables", bytes: tables },
        { what: "ids", bytes: ids },
        { what: "codebooks", bytes: codebooks },
      ],
      memory: memoryOf(product, shape),
    };
  },
  alternatives(product, device) {
    const shape = shapeOf(product);
    const alternative = (name: string, representation: Representation) => ({
      name,
      bytes: loadedBytes(representation),
      cycles: loadCycles(loadedBytes(representation), device),
      arithmetic: product.tokens * representation.arithmetic,
    });
    return [
      alternative("weights alone", weightCentroids(shape)),
      alternative("inputs alone", inputCentroids(shape)),
      alternative("both", bothCentroids(shape)),
    ];
  },
};

/** Positions that are searched and looked up side by side: lanes and search units. */
const lanes = 16;
/** A lane picks so many outputs of one block in a cycle. */
const outputsPerCycle = 512;

type Tabled = VectorsOutline & { readonly inputs: number; readonly table: TableOutline };

function hasTable(weight: WeightOutline): weight is Tabled {
  return weight.scheme === "vectors" && weight.inputs !== undefined && weight.table !== undefined;
}

/** @throws RangeError for another: `refuse` is asked first. */
function tabled(weight: WeightOutline): Tabled {
  if (!hasTable(weight)) throw new RangeError("not a weight with a table");
  return weight;
}

/** C: what all ports together deliver; null when the device does not say. */
function bytesPerCycle(device: Device): number | null {
  const { memoryPorts, portBytes } = unitsOf(device, "fpga");
  return memoryPorts && portBytes ? memoryPorts.value * portBytes.value : null;
}

/** @throws RangeError on a device without ports: `refuse` is asked first. */
function loadCycles(bytes: number, device: Device): number {
  const perCycle = bytesPerCycle(device);
  if (perCycle === null) throw new RangeError(`${device.name} has no ports`);
  return bytes / perCycle;
}

/** By itself a linear has its blocks and its inputs alone. */
function shapeOf({ weight, sharing }: Product): Shape {
  const { rows, columns, vector, centroids, blocks, inputs, table } = tabled(weight);
  return {
    ...{ rows, columns, vector, centroids, blocks, inputs, entryBits: table.bits },
    shareOfBlock: rows / (sharing?.attentionRows ?? rows),
    shareOfInput: rows / (sharing?.inputRows ?? rows),
  };
}

/** Rows of the image: 16 positions each. */
function imageRows(weight: Tabled): number {
  return Math.ceil(positionsOf(weight) / lanes);
}

/** `S · L` a row: each lane goes through the blocks of a token, one a cycle if it is not wider than a lane. */
function lookUp({ weight: outline, tokens }: Product, { shareOfBlock }: Shape): Step {
  const weight = tabled(outline);
  const outputsOfBlock = weight.rows / shareOfBlock / weight.blocks;
  const cyclesOfBlock = Math.ceil(outputsOfBlock / outputsPerCycle);
  const cycles = imageRows(weight) * tokens * weight.blocks * cyclesOfBlock * shareOfBlock;
  return { name: "lookups", cycles, busy: "units" };
}

/** `c_a + L` a row: each unit takes its position's centroids, one a cycle, and then the tokens. */
function search({ weight: outline, tokens }: Product, { shareOfInput }: Shape): Step {
  const weight = tabled(outline);
  const cycles = imageRows(weight) * (weight.inputs + tokens) * shareOfInput;
  return { name: "search", cycles, busy: "units" };
}

/** Of the fused projection that the linear is part of. */
function memoryOf(
  { weight: outline, tokens }: Product,
  { shareOfBlock, shareOfInput }: Shape,
): LinearCost["memory"] {
  const weight = tabled(outline);
  const outputs = weight.rows / shareOfInput;
  const blocks = (weight.blocks * shareOfBlock) / shareOfInput;
  const rowOfTables = (lanes * blocks * weight.inputs * weight.centroids * weight.table.bits) / 8;
  return [
    { memory: "bram", what: "the tables of two rows of the image", bytes: 2 * rowOfTables },
    {
      memory: "lutram",
      what: "the ids of two rows of the image",
      bytes: (2 * lanes * outputs * Math.ceil(Math.log2(weight.centroids))) / 8,
    },
    {
      memory: "uram",
      what: "the accumulators of all tokens",
      bytes: (tokens * outputs * bytesPerWord) / accumulatorsPerWord[weight.table.bits],
    },
  ];
}

/** A word of URAM. */
const bytesPerWord = 9;
/** Two of 22 bits, four of 18. */
const accumulatorsPerWord = { 8: 2, 4: 4 } as const;
