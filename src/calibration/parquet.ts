import { fileError } from "../checkpoint/file-error.js";
import { isJsonObject } from "../checkpoint/json-file.js";
import { LuthierError } from "../error.js";
import { type ReadingLimits, readOnThread } from "./parquet-worker.js";
import { cellsLimit, type Row } from "./rows.js";

/** What the columns that are read may take when unpacked: as much text as V8 can hold. Larger claims are a damaged or hostile file's. */
const bytesLimit = 2 ** 29;

/** All rows, with all columns. Whole numbers of 64 bits are numbers where those hold them. @throws LuthierError when damaged. */
export async function readParquetRows(file: string, limits?: ReadingLimits): Promise<readonly Row[]> {
  const rows = await readObjects(file, null, limits);
  return rows.map((row) => plain(row) as Row);
}

/** The values of a text column, in order. @throws LuthierError when the file is damaged or the column no text. */
export async function readTextColumn(
  file: string,
  column: string,
  limits?: ReadingLimits,
): Promise<readonly string[]> {
  const rows = await readObjects(file, column, limits);
  return rows.map((row, index) => textOf(row[column], file, column, index));
}

/** @param column the only one that is read; null for all. */
async function readObjects(
  file: string,
  column: string | null,
  limits?: ReadingLimits,
): Promise<readonly Row[]> {
  const columns = column === null ? null : [column];
  try {
    const chunks = (await readOnThread({ file, want: "sizes", columns }, limits)) as readonly Chunk[];
    requireFitting(chunks, file, column);
    return (await readOnThread({ file, want: "rows", columns }, limits)) as readonly Row[];
  } catch (error) {
    const known = fileError("read", file, error);
    if (known instanceof LuthierError) throw known;
    throw new LuthierError(
      `${file} cannot be read as parquet: ${(error as Error).message}`,
      "Fetch it again, from the cache delete it first; if that repeats, choose another revision of the data set.",
      { cause: error },
    );
  }
}

/** A column of a row group, as the file's footer claims it to be. */
interface Chunk {
  readonly column: string;
  /** Unpacked. */
  readonly bytes: number;
  readonly values: number;
}

/** Refuses a column that is not there, and sizes beyond the limits, before anything is unpacked. */
function requireFitting(chunks: readonly Chunk[], file: string, column: string | null): void {
  const columns = new Set(chunks.map((chunk) => chunk.column));
  const wanted = chunks.filter((chunk) => column === null || chunk.column === column);
  const bytes = wanted.reduce((sum, chunk) => sum + Math.max(0, chunk.bytes), 0);
  const cells = wanted.reduce((sum, chunk) => sum + Math.max(0, chunk.values), 0);
  if (column !== null && !columns.has(column)) {
    throw new LuthierError(
      `${file} has no column ${column}`,
      `Choose one of: ${[...columns].sort().join(", ")}.`,
    );
  }
  const what = column === null ? file : `the column ${column} of ${file}`;
  const smaller = "Choose a smaller split or configuration.";
  if (bytes > bytesLimit) {
    throw new LuthierError(`${what} unpacks to ${bytes} bytes; the limit is ${bytesLimit}`, smaller);
  }
  if (cells > cellsLimit) {
    throw new LuthierError(`${what} has ${cells} values; the limit is ${cellsLimit}`, smaller);
  }
}

/** With numbers in place of `bigint`, in lists and structures too. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(plain);
  if (!isJsonObject(value) || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

function textOf(value: unknown, file: string, column: string, row: number): string {
  if (typeof value === "string") return value;
  throw new LuthierError(
    `row ${row} of column ${column} in ${file} is not text but ${value === null ? "null" : typeof value}`,
    "Choose a column that holds text.",
  );
}
