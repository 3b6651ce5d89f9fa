import { rememberedTensors } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import { type Matrix, matrix, rowsOf } from "../tensor/matrix.js";
import { type ComputingContext, causalHead, type ModelDescription, type ShapeOf } from "./architecture.js";
import { findArchitecture } from "./architectures/registry.js";
import { type Batch, batchesOf, passesOf } from "./batches.js";
import {
  type Continuation,
  type ContinuationInput,
  nextTokens,
  scoreContinuations,
  sharedWindows,
} from "./continuations.js";
import { embed } from "./embedding.js";
import { type BeforeHead, eachLogits } from "./head.js";
import type { ModelParts } from "./parts.js";
import { readOut } from "./readout.js";
import { targetScores } from "./target-scores.js";

/**
 * A model that can be computed on windows of tokens, block by block. Blocks are the outer loop: each is loaded once a pass
 * and computed on all windows, so that peak memory is one block and the activations; when those of all windows exceed
 * `activationBytes`, several passes are made.
 *
 * What a model's head does not give is refused with a LuthierError: tokens by a classifier, classes by a causal model.
 */
export interface Model {
  readonly description: ModelDescription;
  /** For each window, the natural-log probability of each token from the second on, given those before it. */
  score(windows: readonly Int32Array[], onProgress?: OnProgress): Promise<Float32Array[]>;
  /** How likely texts end as they do. */
  continuations(
    inputs: readonly ContinuationInput[],
    onProgress?: OnProgress,
  ): Promise<readonly Continuation[]>;
  /** The most likely next token of each window. */
  next(windows: readonly Int32Array[], onProgress?: OnProgress): Promise<readonly number[]>;
  /** What a classifier or a model that answers questions says of each text: see `readOut`. */
  readout(inputs: readonly TextInput[], onProgress?: OnProgress): Promise<readonly Matrix[]>;
  /**
   * Computes the blocks on windows and gives nothing: for who observes the executor. Without the head, and in one pass,
   * whatever the hidden states take: after a block no linear of it is observed again. `afterBlock` is waited for.
   */
  run(windows: readonly Int32Array[], afterBlock?: OnBlock): Promise<void>;
  /** What it computes of windows before its head; all of it is held at once, so for few. */
  beforeHead(windows: readonly Int32Array[]): Promise<BeforeHead>;
  /** As `score`, from what `beforeHead` gave of these windows. */
  scoreFrom(before: BeforeHead, windows: readonly Int32Array[]): Promise<Float32Array[]>;
  /** Logits `[tokens, vocabulary]` of one short sequence. */
  logits(tokens: Int32Array): Promise<Matrix>;
}

/** A text, or two together. */
export interface TextInput {
  readonly tokens: Int32Array;
  /** Of each token which of two texts it belongs to, 0 or 1; null of one text. */
  readonly segments: Int32Array | null;
}

/** Steps done of those that there are; a step is a block on the windows of a pass. */
type OnProgress = (done: number, total: number) => void;

/** What is done when a block has been computed on all windows. */
type OnBlock = (done: number, total: number) => Promise<void> | void;

/** What a model is made of. @throws LuthierError when its family is not known or a tensor does not fit, by name. */
export function describeModel(config: Readonly<Record<string, unknown>>, shapeOf: ShapeOf): ModelDescription {
  return findArchitecture(config).describe(config, shapeOf);
}

/** @throws LuthierError when the configuration is of no known family. */
export function openModel(parts: ModelParts): Model {
  const architecture = findArchitecture(parts.config);
  const { config, description, executor, ops, source, kernels, spill } = parts;
  const { activationBytes = 512 * 2 ** 20 } = parts;
  const keep = (states: Matrix) => spill?.keep(states) ?? states;
  const openContext = (): ComputingContext => {
    return { config, executor, ops, ...rememberedTensors(source, kernels) };
  };
  const { hiddenSize, vocabularySize } = description;

  /** Hidden states after the last block and norm, for each batch of equally long windows. */
  async function forward(batches: readonly Batch[], onBlock: () => Promise<void> | void): Promise<Matrix[]> {
    const hidden: Matrix[] = [];
    for (const batch of batches) hidden.push(keep(await embed(batch, parts)));
    for (const [index, linears] of description.blocks.entries()) {
      await executor.enter(linears.map((linear) => linear.name));
      const block = await architecture.openBlock(index, openContext());
      spill?.nextBlock();
      for (const [at, batch] of batches.entries()) hidden[at] = keep(await block(hidden[at], batch.length));
      await onBlock();
    }
    await executor.enter([]);
    const context = openContext();
    for (const [at, states] of hidden.entries())
      hidden[at] = keep(await architecture.finalNorm(states, context));
    return hidden;
  }

  /** Pass by pass: the blocks, and then what is made of their hidden states. */
  async function inPasses<Result>(
    batches: readonly Batch[],
    finish: (hidden: readonly Matrix[], batches: readonly Batch[]) => Promise<readonly Result[]>,
    onProgress: OnProgress = () => {},
  ): Promise<Result[]> {
    const passes = passesOf(batches, hiddenSize, activationBytes);
    const total = passes.length * (description.blocks.length + 1);
    let done = 0;
    const step = () => onProgress(++done, total);
    const results: Result[] = [];
    for (const pass of passes) {
      for (const result of await finish(await forward(pass, step), pass)) results.push(result);
      step();
    }
    return results;
  }

  return {
    description,
    async score(windows, onProgress) {
      causalHead(description);
      return inPasses(batchesOf(windows), (hidden, pass) => windowScores(hidden, pass, parts), onProgress);
    },
    scoreFrom: ({ hidden }, windows) => windowScores(hidden, batchesOf(windows), parts),
    async continuations(inputs, onProgress) {
      causalHead(description);
      const windows = sharedWindows(inputs);
      let first = 0;
      const finish = async (hidden: readonly Matrix[], pass: readonly Batch[]) => {
        const count = pass.reduce((sum, { tokens, length }) => sum + tokens.length / length, 0);
        const those = windows.slice(first, first + count);
        first += count;
        return [...(await scoreContinuations(hidden, pass, those, inputs, parts))];
      };
      const found = new Map(
        await inPasses(batchesOf(windows.map(({ tokens }) => tokens)), finish, onProgress),
      );
      return inputs.map((_, at) => found.get(at)!);
    },
    async next(windows, onProgress) {
      causalHead(description);
      const finish = (hidden: readonly Matrix[], pass: readonly Batch[]) => nextTokens(hidden, pass, parts);
      return inPasses(batchesOf(windows), finish, onProgress);
    },
    async readout(inputs, onProgress) {
      const { readout } = description;
      if (readout === null) throw predictsTokens(description);
      const batches = batchesOf(
        inputs.map(({ tokens }) => tokens),
        inputs.map(({ segments }) => segments),
      );
      const lengths = (pass: readonly Batch[]) => pass.map(({ length }) => length);
      const finish = (hidden: readonly Matrix[], pass: readonly Batch[]) =>
        readOut(hidden, lengths(pass), readout, parts);
      return inPasses(batches, finish, onProgress);
    },
    async run(windows, afterBlock) {
      let done = 0;
      await forward(batchesOf(windows), () => afterBlock?.(++done, description.blocks.length));
    },
    async beforeHead(windows) {
      return { hidden: await forward(batchesOf(windows), () => {}), parts };
    },
    async logits(tokens) {
      const hidden = await forward(batchesOf([tokens]), () => {});
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

/** Of each window the log-probabilities of its tokens from the second on. */
async function windowScores(
  hidden: readonly Matrix[],
  batches: readonly Batch[],
  parts: ModelParts,
): Promise<Float32Array[]> {
  const scored = await targetScores(hidden, batches.map(followingTokens), parts);
  return batches.flatMap(({ tokens, length }, at) =>
    firstsOf(tokens, length).map(
      (first) => scored[at].logProbabilities.slice(first, first + length - 1), // the last token has no next
    ),
  );
}

/** What each token is followed by; the last, which has no next, by itself. */
function followingTokens({ tokens }: Batch): Int32Array {
  const next = tokens.slice();
  next.set(tokens.subarray(1));
  return next;
}

/** Where each window of `length` begins. */
function firstsOf(tokens: Int32Array, length: number): readonly number[] {
  return Array.from({ length: tokens.length / length }, (_, window) => window * length);
}

function predictsTokens({ modelType }: ModelDescription): LuthierError {
  return new LuthierError(
    `this ${modelType} predicts tokens: it has no head for classes or answers`,
    "use a checkpoint with such a head, or a task for causal models (`luthier tasks`)",
    { usage: true },
  );
}
