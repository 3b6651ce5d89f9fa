import { readMatrix } from "../checkpoint/tensors.js";
import { causalHead } from "../model/architecture.js";
import { type BeforeHead, capped, eachLogits } from "../model/head.js";
import type { ModelParts } from "../model/parts.js";
import { type Matrix, rowsOf } from "../tensor/matrix.js";

/** How far a model's next-token distributions are from those of a reference. */
export interface Distance {
  /** Mean Kullback–Leibler divergence D(reference ‖ model) over all positions, in nats a token. */
  readonly divergence: number;
  /** Share of positions whose most likely token is the same. */
  readonly agreement: number;
}

/**
 * How far the next-token distributions of some models are from those of a reference.
 *
 * Neither distribution is ever whole in memory: both log-sum-exps and the mean difference of the logits are summed up over
 * parts of the vocabulary, in float64.
 *
 * @param reference a model whose head is kept float.
 * @param compared of each model the hidden states of the same batches.
 * @param parts what turns those into logits.
 * @param mostIds ids whose rows of the reference's head are read at a time.
 */
export async function distances(
  reference: BeforeHead,
  compared: readonly (readonly Matrix[])[],
  parts: ModelParts,
  mostIds = 2 ** 14,
): Promise<readonly Distance[]> {
  // Batch by batch all models, so that one part of the reference's logits serves them all.
  const hidden = reference.hidden.flatMap((_, batch) => compared.map((states) => states[batch]));
  const sums = hidden.map((states) => new PositionSums(states.rows));
  const referenceLogits = openReference(reference);
  await eachLogits(hidden, parts, async ({ batch: at, firstToken, firstId, logits }) => {
    const batch = Math.floor(at / compared.length);
    for (let first = 0; first < logits.columns; first += mostIds) {
      const last = Math.min(first + mostIds, logits.columns);
      const tokens = { first: firstToken, last: firstToken + logits.rows };
      const expected = await referenceLogits(batch, tokens, { first: firstId + first, last: firstId + last });
      sums[at].add(firstToken, expected, logits, first, firstId + first);
    }
  });
  return compared.map((states, model) => {
    const ofModel = states.map((_, batch) => sums[batch * compared.length + model]);
    const positions = states.reduce((count, { rows }) => count + rows, 0);
    const mean = (of: (sums: PositionSums) => number) =>
      ofModel.reduce((sum, each) => sum + of(each), 0) / positions;
    return { divergence: mean((each) => each.total()), agreement: mean((each) => each.agreeing()) };
  });
}

interface Range {
  readonly first: number;
  readonly last: number;
}

/** Logits of some tokens of a batch for some ids; those asked for last are kept. */
function openReference({ hidden, parts }: BeforeHead) {
  const { source, kernels, ops, description } = parts;
  let kept: { readonly key: string; readonly logits: Matrix } | null = null;
  return async (batch: number, tokens: Range, ids: Range): Promise<Matrix> => {
    const key = [batch, tokens.first, tokens.last, ids.first, ids.last].join(" ");
    if (kept?.key === key) return kept.logits;
    const weight = await readMatrix(source, causalHead(description).tensor, kernels, ids);
    const states = rowsOf(hidden[batch], tokens.first, tokens.last);
    const logits = capped(await ops.linear(states, weight, null), description);
    kept = { key, logits };
    return logits;
  };
}

/**
 * For each position what the divergence is made of: with logits p of the reference and q of the model,
 * D = Σ softmax(p) · (p − q) − logsumexp(p) + logsumexp(q). Sums are kept relative to the largest logit so far.
 */
class PositionSums {
  private readonly largest: { readonly p: Float64Array; readonly q: Float64Array };
  private readonly sums: { readonly p: Float64Array; readonly q: Float64Array };
  private readonly differences: Float64Array;
  /** The first of the most likely ids. */
  private readonly mostLikely: { readonly p: Int32Array; readonly q: Int32Array };

  constructor(positions: number) {
    const lowest = () => new Float64Array(positions).fill(Number.NEGATIVE_INFINITY);
    this.largest = { p: lowest(), q: lowest() };
    this.sums = { p: new Float64Array(positions), q: new Float64Array(positions) };
    this.differences = new Float64Array(positions);
    this.mostLikely = { p: new Int32Array(positions), q: new Int32Array(positions) };
  }

  /**
   * @param expected `[tokens, ids]` of the reference.
   * @param logits `[tokens, …]`, the same ids from column `first`.
   * @param firstId id of the first column of `expected`.
   */
  add(firstToken: number, expected: Matrix, logits: Matrix, first: number, firstId: number): void {
    for (let token = 0; token < expected.rows; token++) {
      const p = rowsOf(expected, token, token + 1).data;
      const q = rowsOf(logits, token, token + 1).data.subarray(first, first + expected.columns);
      const at = firstToken + token;
      note(p, this.largest.p[at], firstId, this.mostLikely.p, at);
      note(q, this.largest.q[at], firstId, this.mostLikely.q, at);
      this.differences[at] *= raise(this.largest.p, this.sums.p, at, p);
      raise(this.largest.q, this.sums.q, at, q);
      const [largestP, largestQ] = [this.largest.p[at], this.largest.q[at]];
      let [sumP, sumQ, difference] = [0, 0, 0];
      for (let id = 0; id < p.length; id++) {
        const weight = Math.exp(p[id] - largestP);
        sumP += weight;
        difference += weight * (p[id] - q[id]);
        sumQ += Math.exp(q[id] - largestQ);
      }
      this.sums.p[at] += sumP;
      this.sums.q[at] += sumQ;
      this.differences[at] += difference;
    }
  }

  /** Positions with the same most likely id. */
  agreeing(): number {
    return this.mostLikely.p.reduce((count, id, at) => count + (id === this.mostLikely.q[at] ? 1 : 0), 0);
  }

  total(): number {
    let total = 0;
    for (const [at, sumP] of this.sums.p.entries()) {
      const logSumExps = this.largest.q[at] + Math.log(this.sums.q[at]) - this.largest.p[at] - Math.log(sumP);
      total += this.differences[at] / sumP + logSumExps;
    }
    return total;
  }
}

/** Notes the id of the largest value where it is larger than all before. */
function note(values: Float32Array, largest: number, firstId: number, ids: Int32Array, at: number): void {
  let most = largest;
  for (let i = 0; i < values.length; i++) {
    if (values[i] <= most) continue;
    most = values[i];
    ids[at] = firstId + i;
  }
}

/** Makes sums relative to the largest of `values` where that is larger than before; gives the factor. */
function raise(largest: Float64Array, sums: Float64Array, at: number, values: Float32Array): number {
  let most = largest[at];
  for (const value of values) most = Math.max(most, value);
  const factor = most === Number.NEGATIVE_INFINITY ? 1 : Math.exp(largest[at] - most);
  largest[at] = most;
  sums[at] *= factor;
  return factor;
}
