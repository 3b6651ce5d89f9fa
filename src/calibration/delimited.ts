import { parse } from "csv-parse/sync";
import { LuthierError } from "../error.js";
import type { Row } from "./rows.js";

/**
 * The rows of a text table. With commas it is CSV (RFC 4180). With tabs it is as GLUE's files are, where a quote is a
 * quote, unless it is exactly what a CSV writer makes with tabs. Empty lines are no rows.
 *
 * @param header as in `readTable`.
 * @throws LuthierError with the line that is wrong.
 */
export function delimitedRows(
  text: string,
  delimiter: "," | "\t",
  file: string,
  header: readonly string[] | null,
): readonly Row[] {
  const asCsv = delimiter === "," ? csvRecords(text, delimiter, file) : asWrittenWithTabs(text, file);
  const records = asCsv ?? tabRecords(text);
  if (records.length === 0) return [];
  const ownNames = header === null || holdsNames(records[0].cells, header, file);
  const names = ownNames ? records[0].cells : header;
  requireDistinct(names, file);
  return records.slice(ownNames ? 1 : 0).map(({ cells, line }, at) => {
    // STS-B's rows have sources behind the known columns; its first shows that it has those columns, and in their places.
    const mayHaveMore = !ownNames && at > 0;
    if (cells.length < names.length || (cells.length > names.length && !mayHaveMore)) {
      throw new LuthierError(
        `line ${line} of ${file} has ${cells.length} columns, not ${names.length} (${names.join(", ")})`,
        "Mend the line, or fetch the file again.",
      );
    }
    return Object.fromEntries(names.map((name, column) => [name, cells[column]]));
  });
}

interface LineOfCells {
  readonly cells: readonly string[];
  /** From 1; its last where quotes hold line breaks. */
  readonly line: number;
}

function tabRecords(text: string): readonly LineOfCells[] {
  const records: LineOfCells[] = [];
  for (const [at, ended] of text.split("\n").entries()) {
    const line = ended.endsWith("\r") ? ended.slice(0, -1) : ended;
    if (line !== "") records.push({ cells: line.split("\t"), line: at + 1 });
  }
  return records;
}

/** A quote within a cell that is not quoted is a quote, as Python's `csv` has it; one that ends no quoted cell is refused. */
function csvRecords(text: string, delimiter: "," | "\t", file: string): readonly LineOfCells[] {
  let records: readonly { record: readonly string[]; raw: string; info: { lines: number } }[];
  try {
    records = parse(text, {
      delimiter,
      record_delimiter: ["\r\n", "\n"],
      relax_quotes: true,
      skip_empty_lines: true,
      raw: true,
      info: true,
    }) as unknown as typeof records;
  } catch (error) {
    throw noCsv(file, (error as Error).message, error);
  }
  return records.map(({ record, raw, info }) => {
    // The parser gives what it takes for no quoted cell after all with the quote that opens it.
    const wrong = record.find((cell) => cell.startsWith('"') && !raw.includes(quoted(cell)));
    if (wrong !== undefined)
      throw noCsv(file, `the cell ${wrong.slice(0, 80)} has a stray quote at line ${info.lines}`);
    return { cells: record, line: info.lines };
  });
}

function noCsv(file: string, why: string, cause?: unknown): LuthierError {
  return new LuthierError(
    `${file} is no CSV table: ${why}`,
    "Put cells that hold commas, quotes or line breaks in quotes, and double the quotes in them.",
    { cause },
  );
}

/** The records of a table that a CSV writer made with tabs: one that comes out again when they are written; else null. */
function asWrittenWithTabs(text: string, file: string): readonly LineOfCells[] | null {
  if (!text.includes('"') || !hasQuotedCellsOnly(text)) return null;
  let records: readonly LineOfCells[];
  try {
    records = csvRecords(text, "\t", file);
  } catch {
    return null; // lines of different lengths
  }
  const written = records.map(({ cells }) => cells.map(asWritten).join("\t")).join("\n");
  return written === text.replaceAll("\r\n", "\n").replace(/\n$/, "") ? records : null;
}

/** Whether all quotes are those of quoted cells: soon known of most tables with others, long before they would be parsed. */
function hasQuotedCellsOnly(text: string): boolean {
  for (let open = text.indexOf('"'); open >= 0; ) {
    const opens = open === 0 || text[open - 1] === "\t" || text[open - 1] === "\n";
    let close = text.indexOf('"', open + 1);
    while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2);
    if (!opens || close < 0 || !/^(?:\t|\r?\n|$)/.test(text.slice(close + 1, close + 3))) return false;
    open = text.indexOf('"', close + 1);
  }
  return true;
}

function asWritten(cell: string): string {
  return /["\t\r\n]/.test(cell) ? quoted(cell).replaceAll("\r\n", "\n") : cell;
}

function quoted(cell: string): string {
  return `"${cell.replaceAll('"', '""')}"`;
}

/**
 * Whether a table's first line holds names and no example. It does if two of the names that are expected are among its
 * cells, or the only one; it does not if none is. Names of one letter tell nothing: MMLU has columns A to D, and answers
 * of A to D.
 */
function holdsNames(cells: readonly string[], expected: readonly string[], file: string): boolean {
  const found = new Set(cells.map((cell) => cell.trim().toLowerCase()));
  const long = expected.filter((name) => name.length > 1);
  const telling = long.length > 0 ? long : expected;
  const hits = telling.filter((name) => found.has(name.toLowerCase())).length;
  if (hits === 1 && telling.length > 1) {
    throw new LuthierError(
      `the first line of ${file} may hold names of columns or an example: one of its cells is a name`,
      `Begin the file with a line of the names ${expected.join(", ")}.`,
    );
  }
  return hits > 0;
}

function requireDistinct(names: readonly string[], file: string): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return;
  throw new LuthierError(
    `the first line of ${file} holds ${JSON.stringify(twice)} twice, where the names of the columns are expected`,
    "Begin the file with a line of the columns' names, each once.",
  );
}
