import { randomStream } from "../kernels/random.js";
import { type Matrix, matrix } from "../tensor/matrix.js";

/** Tokens of a batch, as a model computes them. */
export const batchTokens = 2048;

/** Made-up inputs `[tokens, K]` between −1 and 1, batch by batch. */
export function randomInputs(tokens: number, columns: number, seed: number): readonly Matrix[] {
  const random = randomStream(seed);
  return Array.from({ length: Math.ceil(tokens / batchTokens) }, (_, batch) => {
    const input = matrix(Math.min(batchTokens, tokens - batch * batchTokens), columns);
    for (let at = 0; at < input.data.length; at++) input.data[at] = 2 * random() - 1;
    return input;
  });
}
