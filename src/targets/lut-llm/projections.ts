import { type Config, headsOf } from "../../model/architectures/llama-config.js";
import { positionsOf } from "../../schemes/vectors.js";
import { beatBytes, codebookBeats, lanes, positionBytes, type Stream } from "./layout.js";
import type { TabledOutline } from "./tabled.js";

/*
 * What the kernel computes at once: the linears of one input, their outputs side by side (facts of
 * qwen_block/qwen_block_tb.cpp). Per block in this order: q, k and v; o; up and gate; down.
 */

export const projectionNames = ["qkv", "o", "up-gate", "down"] as const;

export type ProjectionName = (typeof projectionNames)[number];

/** A projection of one block, and where it begins in the images. */
export interface Projection extends Stream {
  readonly layer: number;
  readonly name: ProjectionName;
  /** P */
  readonly positions: number;
  /** Outputs that share a word of scale and bias: a head of q, k and v; else a linear. */
  readonly outputsOfScale: number;
  readonly members: readonly Member[];
  /** In each port of tables. */
  readonly firstBeat: number;
  /** In each port of codebooks. */
  readonly firstCodebookBeat: number;
  readonly firstScaleWord: number;
}

/** A linear of a projection. */
export interface Member extends OutputPlaces {
  readonly name: string;
  readonly weight: TabledOutline;
}

/** Row n of a linear is the projection's output `firstOutput + ⌊n / outputRun⌋ · outputStride + n mod outputRun`. */
export interface OutputPlaces {
  readonly firstOutput: number;
  readonly outputRun: number;
  readonly outputStride: number;
}

/** The output that a row of a linear is. */
export function outputOf(row: number, { firstOutput, outputRun, outputStride }: OutputPlaces): number {
  return firstOutput + Math.floor(row / outputRun) * outputStride + (row % outputRun);
}

/** Which of the projection's runs of `runOutputs` outputs each of a linear's `runs` equal runs of rows begins in. */
export function runsIn(
  rows: number,
  runs: number,
  places: OutputPlaces,
  runOutputs: number,
): readonly number[] {
  return Array.from({ length: runs }, (_, run) =>
    Math.floor(outputOf((run * rows) / runs, places) / runOutputs),
  );
}

/** The names of a block's linears, as its projections have them. */
export function linearNames(layer: number): Readonly<Record<ProjectionName, readonly string[]>> {
  const full = (name: string) => `model.layers.${layer}.${name}`;
  return {
    qkv: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(full),
    o: [full("self_attn.o_proj")],
    "up-gate": ["mlp.up_proj", "mlp.gate_proj"].map(full),
    down: [full("mlp.down_proj")],
  };
}

/** Every projection of a model in the order of the images. @param outlineOf of each linear. */
export function projectionsOf(
  config: Config,
  outlineOf: (linear: string) => TabledOutline,
): readonly Projection[] {
  const projections: Projection[] = [];
  let [firstBeat, firstCodebookBeat, firstScaleWord] = [0, 0, 0];
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const names = linearNames(layer);
    for (const name of projectionNames) {
      const linears = names[name].map((linear) => ({ name: linear, weight: outlineOf(linear) }));
      const places = placesIn(name, config, linears[0].weight.rows);
      const [{ weight }] = linears;
      const projection: Projection = {
        ...{ layer, name, firstBeat, firstCodebookBeat, firstScaleWord },
        positions: positionsOf(weight),
        outputs: linears.reduce((sum, linear) => sum + linear.weight.rows, 0),
        blocks: name === "up-gate" ? 2 * weight.blocks : weight.blocks,
        bits: weight.table.bits,
        outputsOfScale: name === "qkv" ? headsOf(config).headSize : weight.rows,
        members: linears.map((linear, i) => ({ ...linear, ...places[i] })),
      };
      projections.push(projection);
      firstBeat += ((projection.positions / lanes) * positionBytes(projection)) / beatBytes;
      firstCodebookBeat += codebookBeats(projection.positions);
      firstScaleWord += projection.outputs / projection.outputsOfScale;
    }
  }
  return projections;
}

/** Of q, k and v each key-value head's group: its value, its key, its queries. Of up and gate first all of up. */
function placesIn(name: ProjectionName, config: Config, rows: number): readonly OutputPlaces[] {
  if (name === "qkv") {
    const { heads, keyValueHeads, headSize } = headsOf(config);
    const queries = heads / keyValueHeads;
    const ofHeads = (first: number, count: number) => ({
      firstOutput: first * headSize,
      outputRun: count * headSize,
      outputStride: (queries + 2) * headSize,
    });
    return [ofHeads(2, queries), ofHeads(1, 1), ofHeads(0, 1)];
  }
  const whole = (firstOutput: number) => ({ firstOutput, outputRun: rows, outputStride: rows });
  return name === "up-gate" ? [whole(0), whole(rows)] : [whole(0)];
}
