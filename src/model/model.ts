import type { TensorSource } from "../checkpoint/tensor-source.js";
import { readMatrix } from "../checkpoint/tensors.js";
import type { Kernels } from "../kernels/kernels.js";
import { type Matrix, matrix, rowsOf } from "../tensor/matrix.js";
import type { ModelContext, ModelDescription, ShapeOf } from "./architecture.js";
import { findArchitecture } from "./architectures/registry.js";
import { embed } from "./embedding.js";
import type { Executor } from "./executor.js";
import type { Ops } from "./ops.js";

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
  /** Logits `[tokens, vocabulary]` of one short sequence. */
  logits(tokens: Int32Array): Promise<Matrix>;
}

const batchTokens = 2048;
/** Logits that are held at a time: 64 MiB. */
const logitsHeld = 2 ** 24;

export interface ModelParts {
  readonly config: Readonly<Record<string, unknown>>;
  /** As `describeModel` gives it for the configuration. */
  readonly description: ModelDescription;
  /** Embedding, norms and, where the executor does not have it, the head. */
  readonly source: TensorSource;
  readonly executor: Executor;
  /** True when the executor computes the head too; else it is read from `source` in parts, never whole. */
  readonly headInExecutor: boolean;
  readonly ops: Ops;
  readonly kernels: Kernels;
  /** Hidden states that a pass may hold; 512 MiB by default. */
  readonly activationBytes?: number;
}

/** What a model is made of. @throws LuthierError when its family is not known or a tensor does not fit, by name. */
export function describeModel(config: Readonly<Record<string, unknown>>, shapeOf: ShapeOf): ModelDescription {
  return findArchitecture(config).describe(config, shapeOf);
}

/** @throws LuthierError when the configuration is of no known family. */
export function openModel(parts: ModelParts): Model {
  const architecture = findArchitecture(parts.config);
  const context: ModelContext = parts;
  const { description, ops, executor, source, kernels, activationBytes = 512 * 2 ** 20 } = parts;
  const { head, hiddenSize, vocabularySize } = description;

  /** Hidden states after the last block and norm, for each batch of equally long windows. */
  async function forward(batches: readonly Batch[], onBlock: () => void): Promise<Matrix[]> {
    const hidden: Matrix[] = [];
    for (const { tokens } of batches) hidden.push(await embed(tokens, description, source, kernels));
    for (const [index, linears] of description.blocks.entries()) {
      await executor.enter(linears.map((linear) => linear.name));
      const block = await architecture.openBlock(index, context);
      for (const [at, batch] of batches.entries()) hidden[at] = await block(hidden[at], batch.length);
      onBlock();
    }
    await executor.enter([]);
    for (const [at, states] of hidden.entries()) hidden[at] = await architecture.finalNorm(states, context);
    return hidden;
  }

  /** Calls `use` with logits of a part of the tokens (rows from `firstToken`) for a part of the vocabulary at a time. */
  async function eachLogits(hidden: Matrix, use: UseLogits): Promise<void> {
    if (parts.headInExecutor) {
      const step = Math.max(1, Math.floor(logitsHeld / vocabularySize));
      for (let first = 0; first < hidden.rows; first += step) {
        const part = rowsOf(hidden, first, Math.min(first + step, hidden.rows));
        const [logits] = await executor.run([head.name], part);
        await use(logits, first, 0);
      }
      return;
    }
    const step = Math.max(
      1,
      Math.min(vocabularySize, Math.floor(logitsHeld / Math.max(hidden.rows, hiddenSize))),
    );
    for (let first = 0; first < vocabularySize; first += step) {
      const rows = { first, last: Math.min(first + step, vocabularySize) };
      await use(
        await ops.linear(hidden, await readMatrix(source, head.tensor, kernels, rows), null),
        0,
        first,
      );
    }
  }

  async function enterHead(): Promise<void> {
    if (parts.headInExecutor) await executor.enter([head.name]);
  }

  return {
    description,
    async score(windows, onProgress) {
      const batches = batchesOf(windows);
      const passes = passesOf(batches, hiddenSize, activationBytes);
      const total = passes.length * (description.blocks.length + 1);
      let done = 0;
      const step = () => onProgress?.(++done, total);
      const scores: Float32Array[] = [];
      for (const pass of passes) {
        const hidden = await forward(pass, step);
        await enterHead();
        for (const [at, batch] of pass.entries()) {
          const next = Int32Array.from(
            batch.tokens,
            (_, i) => batch.tokens[Math.min(i + 1, batch.tokens.length - 1)],
          );
          const logProbabilities = await logProbabilitiesOf(hidden[at], next, eachLogits, ops);
          for (let first = 0; first < batch.tokens.length; first += batch.length) {
            scores.push(logProbabilities.slice(first, first + batch.length - 1)); // the last token has no next
          }
          hidden[at] = matrix(0, 0);
        }
        step();
      }
      return scores;
    },
    async logits(tokens) {
      const [hidden] = await forward([{ tokens, length: tokens.length }], () => {});
      await enterHead();
      const out = matrix(tokens.length, vocabularySize);
      await eachLogits(hidden, async (logits, firstToken, firstId) => {
        for (let t = 0; t < logits.rows; t++) {
          out.data.set(rowsOf(logits, t, t + 1).data, (firstToken + t) * vocabularySize + firstId);
        }
      });
      return out;
    },
  };
}

/** Windows of one length, one after another. */
interface Batch {
  readonly tokens: Int32Array;
  readonly length: number;
}

/** Neighbouring windows of equal length, about 2,048 tokens at a time. */
function batchesOf(windows: readonly Int32Array[]): readonly Batch[] {
  const batches: Batch[] = [];
  for (let first = 0; first < windows.length; ) {
    const { length } = windows[first];
    const most = Math.max(1, Math.floor(batchTokens / length));
    let last = first + 1;
    while (last < windows.length && last - first < most && windows[last].length === length) last++;
    const tokens = new Int32Array((last - first) * length);
    for (let i = first; i < last; i++) tokens.set(windows[i], (i - first) * length);
    batches.push({ tokens, length });
    first = last;
  }
  return batches;
}

/** Batches whose hidden states fit in memory together. */
function passesOf(
  batches: readonly Batch[],
  hiddenSize: number,
  mostBytes: number,
): readonly (readonly Batch[])[] {
  const passes: Batch[][] = [];
  let held = Number.POSITIVE_INFINITY;
  for (const batch of batches) {
    const bytes = batch.tokens.length * hiddenSize * 4;
    if (held + bytes > mostBytes) {
      passes.push([]);
      held = 0;
    }
    passes[passes.length - 1].push(batch);
    held += bytes;
  }
  return passes;
}

type UseLogits = (logits: Matrix, firstToken: number, firstId: number) => Promise<void>;

/** Log-softmax at the targets, joined over parts of the tokens and of the vocabulary. */
async function logProbabilitiesOf(
  hidden: Matrix,
  targets: Int32Array,
  eachLogits: (hidden: Matrix, use: UseLogits) => Promise<void>,
  ops: Ops,
): Promise<Float32Array> {
  const logSumExp = new Float64Array(targets.length).fill(Number.NEGATIVE_INFINITY);
  const targetLogits = new Float32Array(targets.length);
  await eachLogits(hidden, async (logits, firstToken, firstId) => {
    const local = targets.slice(firstToken, firstToken + logits.rows).map((target) => target - firstId);
    const inPart = (id: number) => id >= 0 && id < logits.columns;
    const scored = await ops.score(
      logits,
      local.map((id) => (inPart(id) ? id : 0)),
    );
    for (const [t, id] of local.entries()) {
      const at = firstToken + t;
      logSumExp[at] = logAddExp(logSumExp[at], scored.logSumExp[t]);
      if (inPart(id)) targetLogits[at] = scored.targetLogits[t];
    }
  });
  return targetLogits.map((logit, t) => logit - logSumExp[t]);
}

function logAddExp(a: number, b: number): number {
  const most = Math.max(a, b);
  return most + Math.log(Math.exp(a - most) + Math.exp(b - most));
}
