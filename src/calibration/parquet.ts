import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { fileError } from "../checkpoint/file-error.js";
import { isJsonObject } from "../checkpoint/json-file.js";
import { LuthierError } from "../error.js";
import { cellsLimit, type Row } from "./rows.js";

/** What the columns that are read may take when unpacked: as much text as V8 can hold. Larger claims are a damaged or hostile file's. */
const bytesLimit = 2 ** 29;

/** All rows, with all columns. Whole numbers of 64 bits are numbers where those hold them. @throws LuthierError when damaged. */
export async function readParquetRows(file: string): Promise<readonly Row[]> {
  return readObjects(file, null);
}

/** The values of a text column, in order. @throws LuthierError when the file is damaged or the column no text. */
export async function readTextColumn(file: string, column: string): Promise<readonly string[]> {
  const rows = await readObjects(file, column);
  return rows.map((row, index) => textOf(row[column], file, column, index));
}

/** @param column the only one that is read; null for all. */
async function readObjects(file: string, column: string | null): Promise<readonly Row[]> {
  try {
    const buffer = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(buffer);
    requireFitting(metadata, file, column);
    if (column !== null) return await parquetReadObjects({ file: buffer, metadata, columns: [column] });
    const rows = await parquetReadObjects({ file: buffer, metadata });
    return rows.map((row) => plain(row) as Row);
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

/** Refuses a column that is not there, and sizes beyond the limits, before anything is unpacked. */
function requireFitting(
  metadata: Awaited<ReturnType<typeof parquetMetadataAsync>>,
  file: string,
  column: string | null,
): void {
  const columns = new Set<string>();
  let [bytes, cells] = [0, 0];
  for (const group of metadata.row_groups) {
    for (const { meta_data: chunk } of group.columns) {
      const name = chunk?.path_in_schema.join(".") ?? "";
      columns.add(name);
      if (column !== null && name !== column) continue;
      bytes += Math.max(0, Number(chunk?.total_uncompressed_size ?? 0));
      cells += Math.max(0, Number(chunk?.num_values ?? 0), Number(group.num_rows));
    }
  }
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
