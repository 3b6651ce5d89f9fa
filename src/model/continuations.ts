import { type Matrix, matrix, rowsOf } from "../tensor/matrix.js";
import type { Batch } from "./batches.js";
import { eachLogits } from "./head.js";
import type { ModelParts } from "./parts.js";
import { targetScores } from "./target-scores.js";

/** A text and how many tokens of its end are scored. */
export interface ContinuationInput {
  /** Context and continuation. */
  readonly tokens: Int32Array;
  /** Tokens of the continuation; the first token of a text cannot be scored. */
  readonly scored: number;
}

export interface Continuation {
  /** Natural log, of all scored tokens together. */
  readonly logLikelihood: number;
  /** Whether greedy decoding would give it. */
  readonly isGreedy: boolean;
}

/** A window that continuations have together: everything but the last token. */
export interface SharedWindow {
  readonly tokens: Int32Array;
  /** Places in the list of inputs. */
  readonly inputs: readonly number[];
}

/**
 * The windows to compute, shortest first: what several continuations of one token have before it is computed once.
 */
export function sharedWindows(inputs: readonly ContinuationInput[]): readonly SharedWindow[] {
  const byText = new Map<string, { tokens: Int32Array; inputs: number[] }>();
  for (const [at, { tokens }] of inputs.entries()) {
    const window = tokens.subarray(0, tokens.length - 1);
    const key = window.join(" ");
    const found = byText.get(key) ?? { tokens: window, inputs: [] };
    found.inputs.push(at);
    byText.set(key, found);
  }
  return [...byText.values()].sort((a, b) => a.tokens.length - b.tokens.length);
}

/**
 * Scores continuations from the last hidden states of their windows. Only the scored positions reach the head.
 * @param windows those of the batches, in their order.
 * @returns by place in `inputs`, of those that these windows have.
 */
export async function scoreContinuations(
  hidden: readonly Matrix[],
  batches: readonly Batch[],
  windows: readonly SharedWindow[],
  inputs: readonly ContinuationInput[],
  parts: ModelParts,
): Promise<ReadonlyMap<number, Continuation>> {
  const asked = placesOf(batches, windows, inputs);
  const scored = await targetScores(
    asked.map(({ positions }, batch) => rowsAt(hidden[batch], positions)),
    asked.map(({ targets }) => Int32Array.from(targets)),
    parts,
  );
  const found = new Map<number, Continuation>();
  for (const [batch, { inputs: places }] of asked.entries()) {
    const { logProbabilities, isMostLikely } = scored[batch];
    let first = 0;
    for (const place of places) {
      const last = first + inputs[place].scored;
      const logLikelihood = logProbabilities.subarray(first, last).reduce((sum, each) => sum + each, 0);
      found.set(place, { logLikelihood, isGreedy: isMostLikely.slice(first, last).every(Boolean) });
      first = last;
    }
  }
  return found;
}

/** The token that follows each window by greedy decoding: the first of the most likely ones. */
export async function nextTokens(
  hidden: readonly Matrix[],
  batches: readonly Batch[],
  parts: ModelParts,
): Promise<readonly number[]> {
  const last = hidden.map((states, batch) => {
    const { length } = batches[batch];
    return rowsAt(
      states,
      Array.from({ length: states.rows / length }, (_, window) => (window + 1) * length - 1),
    );
  });
  const best = last.map(({ rows }) =>
    Array.from({ length: rows }, () => ({ id: 0, logit: Number.NEGATIVE_INFINITY })),
  );
  await eachLogits(last, parts, async ({ batch, firstToken, firstId, logits }) => {
    for (let row = 0; row < logits.rows; row++) {
      for (const [id, logit] of rowsOf(logits, row, row + 1).data.entries()) {
        if (logit > best[batch][firstToken + row].logit)
          best[batch][firstToken + row] = { id: firstId + id, logit };
      }
    }
  });
  return best.flat().map(({ id }) => id);
}

/** Of each batch: the rows of its hidden states that predict scored tokens, these tokens, and whose they are. */
function placesOf(
  batches: readonly Batch[],
  windows: readonly SharedWindow[],
  inputs: readonly ContinuationInput[],
) {
  let window = 0;
  return batches.map(({ tokens, length }) => {
    const [positions, targets, places]: [number[], number[], number[]] = [[], [], []];
    for (let first = 0; first < tokens.length; first += length, window++) {
      for (const place of windows[window].inputs) {
        const { tokens: text, scored } = inputs[place];
        for (let i = 0; i < scored; i++) {
          positions.push(first + length - scored + i);
          targets.push(text[text.length - scored + i]);
        }
        places.push(place);
      }
    }
    return { positions, targets, inputs: places };
  });
}

function rowsAt(states: Matrix, positions: readonly number[]): Matrix {
  const out = matrix(positions.length, states.columns);
  for (const [at, row] of positions.entries())
    out.data.set(rowsOf(states, row, row + 1).data, at * out.columns);
  return out;
}
