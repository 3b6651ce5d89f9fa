import { createHash } from "node:crypto";
import path from "node:path";
import { readBounded } from "../checkpoint/bounded-file.js";
import { hashFile } from "../checkpoint/file-hash.js";
import { isJsonObject, parseJson } from "../checkpoint/json-file.js";
import { LuthierError } from "../error.js";
import { delimitedRows } from "./delimited.js";
import { readParquetRows } from "./parquet.js";
import { cellsLimit, type Row } from "./rows.js";

/** A local file of examples. */
export interface Table {
  readonly rows: readonly Row[];
  /** Of the file's bytes. */
  readonly sha256: string;
}

/**
 * Reads a local table whole, in the format that its name ends with: `.tsv` or `.txt` (tabs), `.csv`, `.jsonl`, `.json` (an array of
 * objects) or `.parquet`. Cells of delimited text are strings.
 *
 * @param header names of the columns, for delimited text whose first line does not hold names of its own; null to
 * require such a line.
 * @throws LuthierError with the line that is wrong; also for a file that is larger than any benchmark's.
 */
export async function readTable(file: string, header: readonly string[] | null): Promise<Table> {
  const ending = path.extname(file).toLowerCase();
  if (ending === ".parquet") {
    const rows = await readParquetRows(file);
    return { rows, sha256: (await hashFile(file)).sha256 };
  }
  const rowsOf = textFormats[ending];
  if (rowsOf === undefined) {
    throw new LuthierError(
      `${file} is no table whose name says its format`,
      `Let its name end with ${Object.keys(textFormats).join(", ")} or .parquet.`,
      { usage: true },
    );
  }
  const bytes = await readBounded(file, tableBytesLimit);
  requireFewCells(bytes, file);
  return {
    rows: rowsOf(textOf(bytes, file), file, header),
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}

/** QQP's and MNLI's training tables have 60 and 80 MB. */
const tableBytesLimit = 2 ** 28;

type RowsOf = (text: string, file: string, header: readonly string[] | null) => readonly Row[];

const textFormats: Readonly<Record<string, RowsOf>> = {
  ".tsv": (text, file, header) => delimitedRows(text, "\t", file, header),
  ".txt": (text, file, header) => delimitedRows(text, "\t", file, header),
  ".csv": (text, file, header) => delimitedRows(text, delimiterOfCsv(text), file, header),
  ".jsonl": jsonLines,
  ".ndjson": jsonLines,
  ".json": jsonArray,
};

/** STS-B's files are called .csv and have tabs. */
function delimiterOfCsv(text: string): "," | "\t" {
  const firstLine = text.slice(0, text.search(/\n|$/));
  return firstLine.split("\t").length > firstLine.split(",").length ? "\t" : ",";
}

function jsonLines(text: string, file: string): readonly Row[] {
  const rows: Row[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (line.trim() !== "")
      rows.push(jsonRow(parsedJson(line, `line ${at + 1} of ${file}`), file, at + 1, "line"));
  }
  return rows;
}

function jsonArray(text: string, file: string): readonly Row[] {
  const value = parsedJson(text, file);
  if (!Array.isArray(value)) {
    throw new LuthierError(
      `${file} is JSON, but no array of rows`,
      "Give an array of objects, or JSON Lines as .jsonl.",
    );
  }
  return value.map((row, at) => jsonRow(row, file, at + 1, "row"));
}

function parsedJson(text: string, what: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new LuthierError(
      `${what} is not JSON: ${(error as Error).message}`,
      "Mend it, or fetch the file again.",
      {
        cause: error,
      },
    );
  }
}

function jsonRow(value: unknown, file: string, at: number, unit: "line" | "row"): Row {
  if (isJsonObject(value)) return value;
  throw new LuthierError(
    `${unit} ${at} of ${file} is no object`,
    "Make every row an object of columns by name.",
  );
}

function textOf(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes); // without the byte order mark
  } catch (error) {
    throw new LuthierError(`${file} is not UTF-8 text`, "Convert it, for example with iconv -t UTF-8.", {
      cause: error,
    });
  }
}

/** Refuses, before anything is split, what would make more cells than memory is for; separators within texts count too. */
function requireFewCells(bytes: Uint8Array, file: string): void {
  let separators = 0;
  for (const byte of bytes) separators += isSeparator[byte];
  if (separators <= cellsLimit) return;
  throw new LuthierError(
    `${file} has ${separators} separators of cells; tables are read up to ${cellsLimit}`,
    "Cut it to the rows that are to be scored.",
  );
}

const isSeparator = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number("\n\t,[{".includes(String.fromCharCode(byte))),
);
