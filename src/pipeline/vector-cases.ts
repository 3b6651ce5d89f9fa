import type { VectorCase } from "../targets/signal.js";
import type { Matrix } from "../tensor/matrix.js";

/**
 * Tokens that reach the corners of every arithmetic here, and a few ordinary ones.
 *
 * @param weight `[N, K]`, dequantized: decides the signs that make an output as large as it can be.
 * @param activations `[tokens, K]`: what the linear was given when the model read a text.
 * @param own the target's own corners.
 */
export function vectorCases(
  weight: Matrix,
  activations: Matrix,
  seed: number,
  own: readonly VectorCase[] = [],
): readonly VectorCase[] {
  const { columns: inputs } = weight;
  const token = (value: (k: number) => number) => Float32Array.from({ length: inputs }, (_, k) => value(k));
  const row = (index: number) => weight.data.subarray(index * inputs, (index + 1) * inputs);
  const largest = largestRow(weight);
  const next = uniform(seed);
  const corners: VectorCase[] = [
    { name: "zero", what: "all inputs 0", token: token(() => 0) },
    { name: "all-largest", what: "all inputs 1: coded as INT8 all are 127", token: token(() => 1) },
    { name: "all-least", what: "all inputs −1: coded as INT8 all are −127", token: token(() => -1) },
    { name: "alternating", what: "1, −1, 1, −1 …", token: token((k) => (k % 2 === 0 ? 1 : -1)) },
    { name: "first-only", what: "1, then zeros", token: token((k) => (k === 0 ? 1 : 0)) },
    { name: "last-only", what: "zeros, then 1", token: token((k) => (k === inputs - 1 ? 1 : 0)) },
    {
      name: "maximal-sum",
      what: `1 with the signs of the weights of output ${largest}, whose magnitudes have the largest sum`,
      token: token((k) => Math.sign(row(largest)[k])),
    },
    {
      name: "minimal-sum",
      what: `1 with the opposite signs of the weights of output ${largest}`,
      token: token((k) => -Math.sign(row(largest)[k])),
    },
    {
      name: "ties",
      what: "127, then half-integers: coded as INT8 they lie halfway, which rounding has to decide",
      token: token((k) => (k === 0 ? 127 : (k % 126) + 0.5) * (k % 3 === 2 ? -1 : 1)),
    },
    {
      name: "tiny",
      what: "inputs near the least normal float32",
      token: token((k) => ((k % 5) - 2) * 2 ** -125),
    },
    { name: "random", what: `uniform in −1 … 1, seed ${seed}`, token: token(() => 2 * next() - 1) },
  ];
  const ordinary = Array.from({ length: activations.rows }, (_, at) => ({
    name: `activation-${at}`,
    what: "what the model gave the linear while it read a text",
    token: activations.data.slice(at * inputs, (at + 1) * inputs),
  }));
  return [...corners, ...own, ...ordinary];
}

function largestRow({ rows, columns, data }: Matrix): number {
  let [best, most] = [0, -1];
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += Math.abs(data[row * columns + k]);
    if (sum > most) [best, most] = [row, sum];
  }
  return best;
}

/** Numbers in 0 … 1 by a linear congruential generator. */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
