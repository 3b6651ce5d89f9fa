/** A row of a data set: its columns by name. */
export type Row = Readonly<Record<string, unknown>>;

/** Cells that a table may have: three times those of MNLI's 392,702 training rows, the largest that is scored. */
export const cellsLimit = 2 ** 24;
