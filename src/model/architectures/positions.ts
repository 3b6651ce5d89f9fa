import { LuthierError } from "../../error.js";
import type { Batch } from "../batches.js";

/**
 * Of each token its row in a table of positions.
 * @param first the row of a window's first token.
 * @param rows of the table.
 * @throws LuthierError for windows that are longer than the table.
 */
export function positionRows({ tokens, length }: Batch, first: number, rows: number): Int32Array {
  if (first + length > rows) {
    throw new LuthierError(
      `a text of ${length} tokens is longer than the ${rows - first} positions that the model has`,
      "take shorter texts or windows",
    );
  }
  return tokens.map((_, at) => first + (at % length));
}
