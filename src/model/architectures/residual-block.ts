import type { Block, ModelContext } from "../architecture.js";

/** What a block computes around the last linear of attention and of the feed-forward layer. */
export interface ResidualBlock<Value> {
  /** The input of attention's output linear. */
  attend(hidden: Value, length: number): Promise<Value>;
  readonly attentionOutput: string;
  /** The input of the feed-forward layer's last linear. */
  widen(middle: Value): Promise<Value>;
  readonly feedForwardOutput: string;
  /** What goes on, of what entered and what came out; their sum unless said otherwise. */
  afterAttention?(hidden: Value, out: Value): Promise<Value>;
  afterFeedForward?(middle: Value, out: Value): Promise<Value>;
}

/**
 * A block that adds what attention and then what the feed-forward layer makes. Each step ends before the next linear is asked
 * for, so that a block that waits there holds no more than it needs.
 */
export function residualBlock<Value, Vector>(
  { ops, executor }: Pick<ModelContext<Value, Vector>, "ops" | "executor">,
  block: ResidualBlock<Value>,
): Block<Value> {
  const { attend, widen, afterAttention = ops.add, afterFeedForward = ops.add } = block;
  const attention = async (hidden: Value, length: number) => {
    const [out] = await executor.run([block.attentionOutput], await attend(hidden, length));
    return afterAttention(hidden, out);
  };
  const feedForward = async (middle: Value) => {
    const [out] = await executor.run([block.feedForwardOutput], await widen(middle));
    return afterFeedForward(middle, out);
  };
  return (hidden, length) => attention(hidden, length).then(feedForward);
}
