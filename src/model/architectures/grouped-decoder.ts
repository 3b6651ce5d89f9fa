import { z } from "zod";
import { LuthierError } from "../../error.js";
import type { Matrix } from "../../tensor/matrix.js";
import type { ComputingContext, LinearInfo, ModelDescription, ShapeOf } from "../architecture.js";
import { kindOf } from "../kind.js";
import { described, normShapes } from "./described.js";
import { blockCount } from "./family-config.js";
import { gatedLinears, headLinear, plainLinear } from "./plain-linear.js";
import { decoderReadout } from "./readouts.js";
import { rotaryKeys } from "./rotary-config.js";

/*
 * What decoders have that follow Llama in their tensors' names: RMS norms, heads of queries that share keys and values, a
 * rotary embedding. Their blocks differ and are in files of their own.
 */

/** Keys of config.json. */
export const groupedKeys = {
  ...rotaryKeys,
  model_type: z.string(),
  hidden_size: z.int().positive(),
  intermediate_size: z.int().positive(),
  num_hidden_layers: blockCount,
  num_attention_heads: z.int().positive(),
  num_key_value_heads: z.int().positive().nullish(),
  head_dim: z.int().positive().nullish(),
  vocab_size: z.int().positive(),
  attention_bias: z.boolean().default(false),
  sliding_window: z.int().positive().nullish(),
};

export type GroupedConfig = z.infer<z.ZodObject<typeof groupedKeys>>;

export interface GroupedHeads {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
}

/** @throws LuthierError for heads that make no groups. */
export function headsOf(config: GroupedConfig): GroupedHeads {
  const heads = config.num_attention_heads;
  const keyValueHeads = config.num_key_value_heads ?? heads;
  const headSize = config.head_dim ?? Math.floor(config.hidden_size / heads);
  if (heads % keyValueHeads !== 0 || headSize === 0) {
    throw new LuthierError(
      `config.json: ${heads} heads, ${keyValueHeads} key-value heads of size ${headSize} make no grouped attention`,
      "check num_attention_heads, num_key_value_heads and head_dim",
    );
  }
  return { heads, keyValueHeads, headSize };
}

export interface GroupedDecoder {
  readonly config: GroupedConfig;
  readonly isTied: boolean;
  readonly blocks: readonly (readonly LinearInfo[])[];
  /** Names of the norms of a block that are as wide as its states. */
  readonly norms: (index: number) => readonly string[];
  /** Every other tensor of the blocks with its shape: norms of heads, routers. */
  readonly others?: Readonly<Record<string, readonly number[]>>;
  readonly logitCap?: number | null;
}

export function describeGrouped(
  raw: Readonly<Record<string, unknown>>,
  { config, isTied, blocks, norms, others, logitCap }: GroupedDecoder,
  shapeOf: ShapeOf,
): ModelDescription {
  const { hidden_size: hidden, vocab_size: vocabulary } = config;
  const kind = kindOf(raw);
  const ofBlocks = blocks.flatMap((_, index) => norms(index).map((norm) => `${blockName(index)}.${norm}`));
  return described(
    {
      ...{ modelType: config.model_type, blocks, embedding, hiddenSize: hidden },
      ...decoderReadout(kind, headLinear(vocabulary, hidden, isTied ? embedding : null), shapeOf),
      feedForwardSize: config.intermediate_size,
      vocabularySize: vocabulary,
      contextLength: config.max_position_embeddings,
      others: {
        [embedding]: [vocabulary, hidden],
        ...normShapes([...ofBlocks, lastNorm], hidden, ["weight"]),
        ...others,
      },
      ...(kind === "causal" && { logitCap }),
    },
    shapeOf,
  );
}

const embedding = "model.embed_tokens.weight";

/** The norm behind the last block. */
export const lastNorm = "model.norm";

export function blockName(index: number): string {
  return `model.layers.${index}`;
}

/** Query, key, value and attention's output; heads of queries and keys are rotated whole. */
export function attentionLinears(index: number, config: GroupedConfig): readonly LinearInfo[] {
  const { heads, keyValueHeads, headSize } = headsOf(config);
  const { hidden_size: hidden, attention_bias: hasBias } = config;
  const attention = { rows: (heads + 2 * keyValueHeads) * headSize, keyValueHeads, headSize };
  const name = `${blockName(index)}.self_attn`;
  const projection = (of: string, rows: number) =>
    plainLinear(`${name}.${of}_proj`, rows, hidden, { hasBias, attention });
  const rotated = { rotaryHeadSize: headSize };
  return [
    { ...projection("q", heads * headSize), ...rotated },
    { ...projection("k", keyValueHeads * headSize), ...rotated },
    projection("v", keyValueHeads * headSize),
    plainLinear(`${name}.o_proj`, hidden, heads * headSize, { hasBias }),
  ];
}

/** Gate, up and down of a feed-forward layer `<name>`. */
export function feedForwardLinears(name: string, hidden: number, wide: number): readonly LinearInfo[] {
  return gatedLinears([`${name}.gate_proj`, `${name}.up_proj`, `${name}.down_proj`], hidden, wide);
}

/** An RMS norm `<name>`, its weight read once. */
export async function rmsNorm(
  name: string,
  epsilon: number,
  { ops, vector }: Pick<ComputingContext, "ops" | "vector">,
): Promise<(x: Matrix) => Promise<Matrix>> {
  const weight = await vector(`${name}.weight`);
  return (x) => ops.rmsNorm(x, weight, epsilon);
}
