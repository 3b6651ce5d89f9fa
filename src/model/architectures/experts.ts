import { LuthierError } from "../../error.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { ComputingContext, LinearInfo } from "../architecture.js";
import type { Activation } from "../graphs.js";

/*
 * Mixtures of experts (arXiv 2401.04088 §2.2): a router gives every token to a few of many gated feed-forward layers, and
 * their outputs are added with its weights.
 */

export interface Mixture {
  /** The router's tensor, `[experts, hidden]`; it always stays float. */
  readonly router: string;
  /** Gate, up and down of each expert. */
  readonly experts: readonly (readonly LinearInfo[])[];
  /** Experts that a token goes to. */
  readonly chosen: number;
  /** Whether the weights of those sum up to 1, or are shares among all experts. */
  readonly isNormed: boolean;
  readonly activation: Activation;
}

/** More than any model has, all blocks together: their linears are named before any tensor is looked up. */
const mostExperts = 100_000;

/** @throws LuthierError for numbers that no model has. */
export function checkExperts(blocks: number, experts: number): void {
  if (blocks * experts <= mostExperts) return;
  throw new LuthierError(
    `config.json: ${blocks} blocks of ${experts} experts are more than the ${mostExperts} that a model may have`,
    "check that config.json belongs to these weights",
  );
}

/** The linears of an expert. */
export function expertLinears(linears: readonly LinearInfo[]): readonly LinearInfo[] {
  return linears.map((linear) => ({ ...linear, isRouted: true }));
}

/**
 * Gives what a mixture makes of its input `[tokens, hidden]`. Every expert's linears are run, one expert after another, on
 * the tokens that go to it: where none do, on no rows. So all batches of a text stop at the same linears.
 */
export async function openMixture(
  { router, experts, chosen, isNormed, activation }: Mixture,
  context: ComputingContext,
): Promise<(x: Matrix) => Promise<Matrix>> {
  const { ops } = context;
  const weight = await context.matrix(router);
  const opened = experts.map((linears) => openGated(linears, activation, context));
  return async (x) => {
    const routes = route(await ops.linear(x, weight, null), chosen, isNormed);
    const out = matrix(x.rows, x.columns);
    for (const [expert, compute] of opened.entries()) {
      const { tokens, weights } = routes[expert];
      addWeighted(out, await compute(tokenRows(x, tokens)), tokens, weights);
    }
    return out;
  };
}

/** A gated feed-forward layer of its gate, up and down. */
export function openGated(
  linears: readonly LinearInfo[],
  activation: Activation,
  { executor, ops }: ComputingContext,
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

/** The tokens of one expert, rising, and the weights of its outputs. */
export interface Route {
  readonly tokens: readonly number[];
  readonly weights: readonly number[];
}

/**
 * Of each expert the tokens that go to it: those among whose `chosen` largest logits is its own. Weights are a softmax over
 * all experts. Of equal logits the first goes before.
 *
 * @param logits `[tokens, experts]`.
 */
export function route(logits: Matrix, chosen: number, isNormed: boolean): readonly Route[] {
  const { rows, columns, data } = logits;
  const routes = Array.from({ length: columns }, () => ({ tokens: [] as number[], weights: [] as number[] }));
  for (let token = 0; token < rows; token++) {
    const own = data.subarray(token * columns, (token + 1) * columns);
    const order = Array.from(own.keys()).sort((a, b) => own[b] - own[a] || a - b);
    const shares = order.map((expert) => Math.exp(own[expert] - own[order[0]]));
    const among = isNormed ? shares.slice(0, chosen) : shares;
    const total = among.reduce((sum, share) => sum + share, 0);
    for (const [rank, expert] of order.slice(0, chosen).entries()) {
      routes[expert].tokens.push(token);
      routes[expert].weights.push(shares[rank] / total);
    }
  }
  return routes;
}

function tokenRows({ columns, data }: Matrix, tokens: readonly number[]): Matrix {
  const out = matrix(tokens.length, columns);
  for (const [row, token] of tokens.entries())
    out.data.set(data.subarray(token * columns, (token + 1) * columns), row * columns);
  return out;
}

function addWeighted(
  out: Matrix,
  { columns, data }: Matrix,
  tokens: readonly number[],
  weights: readonly number[],
): void {
  for (const [row, token] of tokens.entries()) {
    const [from, to] = [row * columns, token * columns];
    for (let i = 0; i < columns; i++) out.data[to + i] += weights[row] * data[from + i];
  }
}
