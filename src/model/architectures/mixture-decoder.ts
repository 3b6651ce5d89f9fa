import type { Matrix } from "../../tensor/matrix.js";
import type {
  Architecture,
  Block,
  ComputingContext,
  LinearInfo,
  ModelDescription,
  ShapeOf,
} from "../architecture.js";
import type { AttentionInput } from "../block-ops.js";
import { checkExperts, type Mixture, openGated, openMixture } from "./experts.js";
import {
  blockName,
  describeGrouped,
  type GroupedConfig,
  headsOf,
  lastNorm,
  rmsNorm,
} from "./grouped-decoder.js";

/* Decoders whose feed-forward layers are mixtures of experts, in some blocks or in all. */

/** What a configuration says. */
export interface MixtureDecoder {
  readonly config: GroupedConfig & {
    readonly rms_norm_eps: number;
    readonly tie_word_embeddings: boolean;
  };
  /** Experts of a block that has any. */
  readonly experts: number;
  readonly blockOf: (index: number) => MixtureBlock;
}

export interface MixtureBlock {
  /** Query, key, value and attention's output. */
  readonly attention: readonly LinearInfo[];
  readonly attentionFacts: Pick<AttentionInput<Matrix, Float32Array>, "rope" | "window">;
  /** The tensors of the norms on the queries and on the keys of a head, where there are any. */
  readonly headNorms: readonly [query: string, key: string] | null;
  /** Experts, or the gate, up and down of a layer without them. */
  readonly feedForward: Mixture | readonly LinearInfo[];
  readonly activation: Mixture["activation"];
}

export function mixtureFamily(
  name: string,
  modelTypes: readonly string[],
  decoderOf: (config: Readonly<Record<string, unknown>>) => MixtureDecoder,
): Architecture {
  return {
    name,
    modelTypes,
    kinds: ["causal", "classification"],
    describe: (raw, shapeOf) => describeMixtures(raw, decoderOf(raw), shapeOf),
    openBlock: (index, context) => openMixtureBlock(index, decoderOf(context.config), context),
    async finalNorm(hidden, context) {
      const norm = await rmsNorm(lastNorm, decoderOf(context.config).config.rms_norm_eps, context);
      return norm(hidden);
    },
  };
}

/** Before attention and before the feed-forward layer. */
const norms = ["input_layernorm", "post_attention_layernorm"];

function describeMixtures(
  raw: Readonly<Record<string, unknown>>,
  { config, experts, blockOf }: MixtureDecoder,
  shapeOf: ShapeOf,
): ModelDescription {
  checkExperts(config.num_hidden_layers, experts);
  const { headSize } = headsOf(config);
  const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) => blockOf(index));
  const others = blocks.flatMap(({ headNorms, feedForward }): [string, readonly number[]][] => [
    ...(headNorms ?? []).map((norm): [string, readonly number[]] => [norm, [headSize]]),
    ...("router" in feedForward
      ? [[feedForward.router, [feedForward.experts.length, config.hidden_size]] as [string, number[]]]
      : []),
  ]);
  return describeGrouped(
    raw,
    {
      ...{ config, isTied: config.tie_word_embeddings, norms: () => norms },
      blocks: blocks.map(linearsOf),
      others: Object.fromEntries(others),
    },
    shapeOf,
  );
}

/** In the order in which they are computed. */
function linearsOf({ attention, feedForward }: MixtureBlock): readonly LinearInfo[] {
  return [...attention, ...("experts" in feedForward ? feedForward.experts.flat() : feedForward)];
}

async function openMixtureBlock(
  index: number,
  { config, blockOf }: MixtureDecoder,
  context: ComputingContext,
): Promise<Block<Matrix>> {
  const { ops, executor, vector } = context;
  const { rms_norm_eps: epsilon } = config;
  const block = blockOf(index);
  const [beforeAttention, beforeFeedForward] = await Promise.all(
    norms.map((norm) => rmsNorm(`${blockName(index)}.${norm}`, epsilon, context)),
  );
  const [query, key] = await Promise.all((block.headNorms ?? []).map((norm) => vector(norm)));
  const headNorms = block.headNorms ? { query, key, epsilon } : null;
  const attentionFacts = { ...headsOf(config), ...block.attentionFacts, norms: headNorms };
  const [q, k, v, o] = block.attention.map(({ name }) => name);
  const computeFeedForward =
    "experts" in block.feedForward
      ? await openMixture(block.feedForward, context)
      : openGated(block.feedForward, block.activation, context);

  const attend = async (hidden: Matrix, length: number) => {
    const [queries, keys, value] = await executor.run([q, k, v], await beforeAttention(hidden));
    return ops.attention({ query: queries, key: keys, value, length, ...attentionFacts });
  };
  const attention = async (hidden: Matrix, length: number) => {
    const [out] = await executor.run([o], await attend(hidden, length));
    return ops.add(hidden, out);
  };
  return async (hidden, length) => {
    const middle = await attention(hidden, length);
    return ops.add(middle, await computeFeedForward(await beforeFeedForward(middle)));
  };
}
