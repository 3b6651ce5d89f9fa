import { readMatrix, readVector } from "../checkpoint/tensors.js";
import { type Matrix, matrix, rowsOf } from "../tensor/matrix.js";
import type { Readout, ReadoutLayer } from "./architecture.js";
import type { ModelParts } from "./parts.js";

/**
 * What a classifier or a model that answers questions says of each window: `[1, classes]`, or `[length, 2]` with a start and
 * an end logit for every token.
 *
 * @param hidden of each batch the last hidden states `[windows · length, hidden]`.
 * @param lengths tokens of each window, batch by batch.
 */
export async function readOut(
  hidden: readonly Matrix[],
  lengths: readonly number[],
  { of, layers }: Readout,
  parts: Pick<ModelParts, "source" | "ops" | "kernels">,
): Promise<readonly Matrix[]> {
  const compute = await openLayers(layers, parts);
  const windows: Matrix[] = [];
  for (const [batch, states] of hidden.entries()) {
    const length = lengths[batch];
    const rows = of === "every" ? length : 1;
    const read = of === "every" ? states : oneOfEach(states, length, of === "first" ? 0 : length - 1);
    const out = await compute(read);
    for (let first = 0; first < out.rows; first += rows) windows.push(rowsOf(out, first, first + rows));
  }
  return windows;
}

async function openLayers(
  layers: readonly ReadoutLayer[],
  { source, ops, kernels }: Pick<ModelParts, "source" | "ops" | "kernels">,
): Promise<(x: Matrix) => Promise<Matrix>> {
  const loaded: { weight: Matrix; bias: Float32Array | null; activation: ReadoutLayer["activation"] }[] = [];
  for (const { weight, bias, activation } of layers) {
    loaded.push({
      weight: await readMatrix(source, weight, kernels),
      bias: bias === null ? null : await readVector(source, bias, kernels),
      activation,
    });
  }
  return async (x) => {
    let out = x;
    for (const { weight, bias, activation } of loaded) {
      out = activated(await ops.linear(out, weight, bias), activation);
    }
    return out;
  };
}

/** Token `at` of each window of `length`. */
function oneOfEach(states: Matrix, length: number, at: number): Matrix {
  const out = matrix(states.rows / length, states.columns);
  for (let window = 0; window < out.rows; window++) {
    const row = window * length + at;
    out.data.set(rowsOf(states, row, row + 1).data, window * states.columns);
  }
  return out;
}

function activated(x: Matrix, activation: ReadoutLayer["activation"]): Matrix {
  if (activation === null) return x;
  const apply = activation === "tanh" ? Math.tanh : (value: number) => Math.max(0, value);
  return matrix(x.rows, x.columns, x.data.map(apply));
}
