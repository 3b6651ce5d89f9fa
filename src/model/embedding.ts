import type { TensorSource } from "../checkpoint/tensor-source.js";
import { readMatrix, rememberedTensors } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { type Matrix, matrix, rowsOf } from "../tensor/matrix.js";
import { findArchitecture } from "./architectures/registry.js";
import type { Batch } from "./batches.js";
import type { ModelParts } from "./parts.js";

/** Indices no further apart than this are read together, with the rows between them: a read costs more than such a gap. */
const widestGap = 16;

/** Rows that one read takes at most. */
const mostRows = 512;

/**
 * What enters the first block, `[tokens, hidden]`: the embedding's rows of these tokens, and what the family makes of them.
 *
 * @throws LuthierError for a token outside the vocabulary.
 */
export async function embed(
  batch: Batch,
  parts: Pick<ModelParts, "config" | "description" | "source" | "ops" | "kernels">,
): Promise<Matrix> {
  const { config, description, source, ops, kernels } = parts;
  const { embedding, vocabularySize } = description;
  const outside = batch.tokens.find((token) => token < 0 || token >= vocabularySize);
  if (outside !== undefined) {
    throw new LuthierError(
      `token id ${outside} is outside the model's vocabulary of ${vocabularySize}`,
      "check that tokenizer.json belongs to this checkpoint",
    );
  }
  const rows = (tensor: string, indices: Int32Array) => rowsAt(tensor, indices, source, kernels);
  const embedded = await rows(embedding, batch.tokens);
  const { embed } = findArchitecture(config);
  return embed
    ? embed(embedded, batch, { config, ops, ...rememberedTensors(source, kernels), rows })
    : embedded;
}

/** Rows of a matrix, one for each index. Only the parts of it with rows that occur are read. */
async function rowsAt(
  tensor: string,
  indices: Int32Array,
  source: TensorSource,
  kernels: Kernels,
): Promise<Matrix> {
  const columns = source.tensors.get(tensor)?.shape[1] ?? 0; // without such a tensor the read says so
  const out = matrix(indices.length, columns);
  const order = Int32Array.from(indices.keys()).sort((a, b) => indices[a] - indices[b]);
  const indexAt = (rank: number) => indices[order[rank]];
  for (let from = 0; from < order.length; ) {
    const first = indexAt(from);
    let to = from + 1;
    while (to < order.length && indexAt(to) - indexAt(to - 1) <= widestGap && indexAt(to) - first < mostRows)
      to++;
    const table = await readMatrix(source, tensor, kernels, { first, last: indexAt(to - 1) + 1 });
    for (const at of order.subarray(from, to)) {
      const row = indices[at] - first;
      out.data.set(rowsOf(table, row, row + 1).data, at * columns);
    }
    from = to;
  }
  return out;
}
