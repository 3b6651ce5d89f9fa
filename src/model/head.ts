import { readMatrix } from "../checkpoint/tensors.js";
import { type Matrix, matrix, rowsOf } from "../tensor/matrix.js";
import { causalHead, type ModelDescription } from "./architecture.js";
import type { ModelParts } from "./parts.js";

/** Logits of some tokens of one batch (rows from `firstToken`) for a part of the vocabulary (from `firstId`). */
export interface LogitsPart {
  readonly batch: number;
  readonly firstToken: number;
  readonly firstId: number;
  readonly logits: Matrix;
}

/** Hidden states after the last norm, for each batch of windows, and the model that turns them into logits. */
export interface BeforeHead {
  readonly hidden: readonly Matrix[];
  readonly parts: ModelParts;
}

/** Logits that are held at a time: 64 MiB. */
const logitsHeld = 2 ** 24;

/**
 * The logits of every batch of hidden states, a part at a time: a head of 150,000 ids is never whole in memory, nor are
 * the logits of a batch. A kept head is read once for all batches; a quantized one is computed by the executor.
 */
export function eachLogits(
  hidden: readonly Matrix[],
  parts: ModelParts,
  use: (part: LogitsPart) => Promise<void>,
): Promise<void> {
  return parts.headInExecutor ? eachOfTokens(hidden, parts, use) : eachOfVocabulary(hidden, parts, use);
}

async function eachOfTokens(
  hidden: readonly Matrix[],
  { executor, description }: ModelParts,
  use: (part: LogitsPart) => Promise<void>,
): Promise<void> {
  const head = causalHead(description);
  await executor.enter([head.name]);
  const step = Math.max(1, Math.floor(logitsHeld / head.rows));
  for (const [batch, states] of hidden.entries()) {
    for (let firstToken = 0; firstToken < states.rows; firstToken += step) {
      const some = rowsOf(states, firstToken, Math.min(firstToken + step, states.rows));
      const [logits] = await executor.run([head.name], some);
      await use({ batch, firstToken, firstId: 0, logits: capped(logits, description) });
    }
  }
  await executor.enter([]);
}

async function eachOfVocabulary(
  hidden: readonly Matrix[],
  { source, kernels, ops, description }: ModelParts,
  use: (part: LogitsPart) => Promise<void>,
): Promise<void> {
  const { vocabularySize, hiddenSize } = description;
  const head = causalHead(description);
  const most = hidden.reduce((rows, states) => Math.max(rows, states.rows), hiddenSize);
  const step = Math.max(1, Math.min(vocabularySize, Math.floor(logitsHeld / most)));
  for (let firstId = 0; firstId < vocabularySize; firstId += step) {
    const rows = { first: firstId, last: Math.min(firstId + step, vocabularySize) };
    const weight = await readMatrix(source, head.tensor, kernels, rows);
    for (const [batch, states] of hidden.entries()) {
      const logits = await ops.linear(states, weight, null);
      await use({ batch, firstToken: 0, firstId, logits: capped(logits, description) });
    }
  }
}

/** Logits as the model caps them, if it does. */
export function capped(logits: Matrix, { logitCap }: Pick<ModelDescription, "logitCap">): Matrix {
  if (logitCap === null) return logits;
  const { rows, columns, data } = logits;
  return matrix(
    rows,
    columns,
    data.map((logit) => logitCap * Math.tanh(logit / logitCap)),
  );
}
