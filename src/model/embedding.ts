import type { TensorSource } from "../checkpoint/tensor-source.js";
import { readMatrix } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { type Matrix, matrix, rowsOf } from "../tensor/matrix.js";
import type { ModelDescription } from "./architecture.js";

/** Ids no further apart than this are read together, with the rows between them: a read costs more than such a gap. */
const widestGap = 16;

/** Rows that one read takes at most. */
const mostRows = 512;

/**
 * The embedding's rows of these tokens, `[tokens, hidden]`. Of the table only the parts with tokens that occur are read.
 *
 * @throws LuthierError for a token outside the vocabulary.
 */
export async function embed(
  tokens: Int32Array,
  { embedding, hiddenSize, vocabularySize }: ModelDescription,
  source: TensorSource,
  kernels: Kernels,
): Promise<Matrix> {
  const outside = tokens.find((token) => token < 0 || token >= vocabularySize);
  if (outside !== undefined) {
    throw new LuthierError(
      `token id ${outside} is outside the model's vocabulary of ${vocabularySize}`,
      "check that tokenizer.json belongs to this checkpoint",
    );
  }
  const out = matrix(tokens.length, hiddenSize);
  const order = Int32Array.from(tokens.keys()).sort((a, b) => tokens[a] - tokens[b]);
  const idAt = (rank: number) => tokens[order[rank]];
  for (let from = 0; from < order.length; ) {
    const first = idAt(from);
    let to = from + 1;
    while (to < order.length && idAt(to) - idAt(to - 1) <= widestGap && idAt(to) - first < mostRows) to++;
    const table = await readMatrix(source, embedding, kernels, { first, last: idAt(to - 1) + 1 });
    for (const at of order.subarray(from, to)) {
      const row = tokens[at] - first;
      out.data.set(rowsOf(table, row, row + 1).data, at * hiddenSize);
    }
    from = to;
  }
  return out;
}
