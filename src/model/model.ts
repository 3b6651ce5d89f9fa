import { readVector } from "../checkpoint/tensors.js";
import { type Matrix, matrix, rowsOf } from "../tensor/matrix.js";
import type { ModelContext, ModelDescription, ShapeOf } from "./architecture.js";
import { findArchitecture } from "./architectures/registry.js";
import { type Batch, batchesOf, passesOf } from "./batches.js";
import { embed } from "./embedding.js";
import { type BeforeHead, eachLogits } from "./head.js";
import { logProbabilities } from "./log-probabilities.js";
import type { ModelParts } from "./parts.js";

/** A causal language model that can be computed on windows of tokens, block by block. */
export interface Model {
  readonly description: ModelDescription;
  /**
   * For each window, the natural-log probability of each token from the second on, given those before it.
   *
   * Blocks are the outer loop: each is loaded once a pass and computed on all windows, so that peak memory is one block
   * and the activations; when those of all windows exceed `activationBytes`, several passes are made.
   */
  score(
    windows: readonly Int32Array[],
    onProgress?: (done: number, total: number) => void,
  ): Promise<Float32Array[]>;
  /**
   * Computes the blocks on windows and gives nothing: for who observes the executor. Without the head, and in one pass,
   * whatever the hidden states take: after a block no linear of it is observed again. `afterBlock` is waited for.
   */
  run(windows: readonly Int32Array[], afterBlock?: OnBlock): Promise<void>;
  /** What it computes of windows before its head; all of it is held at once, so for few. */
  beforeHead(windows: readonly Int32Array[]): Promise<BeforeHead>;
  /** Logits `[tokens, vocabulary]` of one short sequence. */
  logits(tokens: Int32Array): Promise<Matrix>;
}

/** What is done when a block has been computed on all windows. */
type OnBlock = (done: number, total: number) => Promise<void> | void;

/** What a model is made of. @throws LuthierError when its family is not known or a tensor does not fit, by name. */
export function describeModel(config: Readonly<Record<string, unknown>>, shapeOf: ShapeOf): ModelDescription {
  return findArchitecture(config).describe(config, shapeOf);
}

/** @throws LuthierError when the configuration is of no known family. */
export function openModel(parts: ModelParts): Model {
  const architecture = findArchitecture(parts.config);
  const { config, description, executor, ops, source, kernels, activationBytes = 512 * 2 ** 20 } = parts;
  const vector = (tensor: string) => readVector(source, tensor, kernels);
  const context: ModelContext<Matrix, Float32Array> = { config, executor, ops, vector };
  const { hiddenSize, vocabularySize } = description;

  /** Hidden states after the last block and norm, for each batch of equally long windows. */
  async function forward(batches: readonly Batch[], onBlock: () => Promise<void> | void): Promise<Matrix[]> {
    const hidden: Matrix[] = [];
    for (const { tokens } of batches) hidden.push(await embed(tokens, description, source, kernels));
    for (const [index, linears] of description.blocks.entries()) {
      await executor.enter(linears.map((linear) => linear.name));
      const block = await architecture.openBlock(index, context);
      for (const [at, batch] of batches.entries()) hidden[at] = await block(hidden[at], batch.length);
      await onBlock();
    }
    await executor.enter([]);
    for (const [at, states] of hidden.entries()) hidden[at] = await architecture.finalNorm(states, context);
    return hidden;
  }

  return {
    description,
    async score(windows, onProgress) {
      const passes = passesOf(batchesOf(windows), hiddenSize, activationBytes);
      const total = passes.length * (description.blocks.length + 1);
      let done = 0;
      const step = () => onProgress?.(++done, total);
      const scores: Float32Array[] = [];
      for (const pass of passes) {
        const hidden = await forward(pass, step);
        const scored = await logProbabilities(hidden, pass.map(nextTokens), parts);
        for (const [at, { tokens, length }] of pass.entries()) {
          for (let first = 0; first < tokens.length; first += length) {
            scores.push(scored[at].slice(first, first + length - 1)); // the last token has no next
          }
        }
        step();
      }
      return scores;
    },
    async run(windows, afterBlock) {
      let done = 0;
      await forward(batchesOf(windows), () => afterBlock?.(++done, description.blocks.length));
    },
    async beforeHead(windows) {
      return { hidden: await forward(batchesOf(windows), () => {}), parts };
    },
    async logits(tokens) {
      const hidden = await forward([{ tokens, length: tokens.length }], () => {});
      const out = matrix(tokens.length, vocabularySize);
      await eachLogits(hidden, parts, async ({ firstToken, firstId, logits }) => {
        for (let t = 0; t < logits.rows; t++) {
          out.data.set(rowsOf(logits, t, t + 1).data, (firstToken + t) * vocabularySize + firstId);
        }
      });
      return out;
    },
  };
}

/** What each token is followed by; the last, which has no next, by itself. */
function nextTokens({ tokens }: Batch): Int32Array {
  const next = tokens.slice();
  next.set(tokens.subarray(1));
  return next;
}
