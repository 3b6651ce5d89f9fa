import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { fileError } from "../checkpoint/file-error.js";
import { LuthierError } from "../error.js";

/** What a column may take when unpacked: as much text as V8 can hold. Larger claims are a damaged or hostile file's. */
const columnBytesLimit = 2 ** 29;

/** The values of a text column, in order. @throws LuthierError when the file is damaged or the column no text. */
export async function readTextColumn(file: string, column: string): Promise<readonly string[]> {
  try {
    const buffer = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(buffer);
    checkColumn(metadata, file, column);
    const rows = await parquetReadObjects({ file: buffer, metadata, columns: [column] });
    return rows.map((row, index) => textOf(row[column], file, column, index));
  } catch (error) {
    const known = fileError("read", file, error);
    if (known instanceof LuthierError) throw known;
    throw new LuthierError(
      `${file} cannot be read as parquet: ${(error as Error).message}`,
      "Delete the file from the cache and run again; if that repeats, choose another revision of the data set.",
      { cause: error },
    );
  }
}

function checkColumn(
  metadata: Awaited<ReturnType<typeof parquetMetadataAsync>>,
  file: string,
  column: string,
): void {
  const columns = new Set<string>();
  let bytes = 0;
  for (const group of metadata.row_groups) {
    for (const { meta_data: chunk } of group.columns) {
      const name = chunk?.path_in_schema.join(".") ?? "";
      columns.add(name);
      if (name === column) bytes += Number(chunk?.total_uncompressed_size ?? 0);
    }
  }
  if (!columns.has(column)) {
    throw new LuthierError(
      `${file} has no column ${column}`,
      `Choose one of: ${[...columns].sort().join(", ")}.`,
    );
  }
  if (bytes > columnBytesLimit) {
    throw new LuthierError(
      `the column ${column} of ${file} unpacks to ${bytes} bytes; the limit is ${columnBytesLimit}`,
      "Choose a smaller split or configuration.",
    );
  }
}

function textOf(value: unknown, file: string, column: string, row: number): string {
  if (typeof value === "string") return value;
  throw new LuthierError(
    `row ${row} of column ${column} in ${file} is not text but ${value === null ? "null" : typeof value}`,
    "Choose a column that holds text.",
  );
}
