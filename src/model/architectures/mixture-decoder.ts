import type { Matrix } from "../../tensor/matrix.js";
import type { Block, ComputingContext, LinearInfo } from "../architecture.js";
import type { AttentionInput } from "../block-ops.js";
import { type Mixture, openMixture } from "./experts.js";
import { blockName, rmsNorm } from "./grouped-decoder.js";

/** What a block of Mixtral or of a Qwen3 with experts is made of. */
export interface MixtureBlock {
  /** Query, key, value and attention's output. */
  readonly attention: readonly LinearInfo[];
  readonly attentionFacts: Omit<AttentionInput<Matrix, Float32Array>, "query" | "key" | "value" | "length">;
  /** Experts, or the gate, up and down of a layer without them. */
  readonly feedForward: Mixture | readonly LinearInfo[];
  readonly activation: Mixture["activation"];
  readonly epsilon: number;
}

/** Norms before attention and before the feed-forward layer. */
export const mixtureNorms = ["input_layernorm", "post_attention_layernorm"];

/** Linears of a block in the order in which they are computed. */
export function linearsOfBlock({
  attention,
  feedForward,
}: Pick<MixtureBlock, "attention" | "feedForward">): readonly LinearInfo[] {
  return [...attention, ...("experts" in feedForward ? feedForward.experts.flat() : feedForward)];
}

export async function openMixtureBlock(
  index: number,
  { attention: linears, attentionFacts, feedForward, activation, epsilon }: MixtureBlock,
  context: ComputingContext,
): Promise<Block<Matrix>> {
  const { ops, executor } = context;
  const [beforeAttention, beforeFeedForward] = await Promise.all(
    mixtureNorms.map((norm) => rmsNorm(`${blockName(index)}.${norm}`, epsilon, context)),
  );
  const [q, k, v, o] = linears.map(({ name }) => name);
  const computeFeedForward =
    "experts" in feedForward
      ? await openMixture(feedForward, context)
      : openDense(feedForward, activation, context);

  const attend = async (hidden: Matrix, length: number) => {
    const [query, key, value] = await executor.run([q, k, v], await beforeAttention(hidden));
    return ops.attention({ query, key, value, length, ...attentionFacts });
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

function openDense(
  linears: readonly LinearInfo[],
  activation: Mixture["activation"],
  { ops, executor }: ComputingContext,
): (x: Matrix) => Promise<Matrix> {
  const [gate, up, down] = linears.map(({ name }) => name);
  const widen = async (x: Matrix) => {
    const [gated, upped] = await executor.run([gate, up], x);
    return ops.gatedActivation(gated, upped, activation);
  };
  return async (x) => {
    const [out] = await executor.run([down], await widen(x));
    return out;
  };
}
