import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { fetchSplit, readText } from "../calibration/datasets.js";
import { readTable, type Table } from "../calibration/table.js";
import { fileError } from "../checkpoint/file-error.js";
import type { HubOptions } from "../checkpoint/hub.js";
import { LuthierError } from "../error.js";
import type { Row, TaskData } from "./task.js";

/** The rows of a task, and what a report says of where they come from. */
export interface TaskRows {
  readonly rows: readonly Row[];
  /** A file's or folder's name; of the hub data set and configuration. */
  readonly name: string;
  /** Null of local files. */
  readonly split: string | null;
  /** Of the file; of several files, of their sha256 one after another. */
  readonly sha256: string;
}

/**
 * Reads the rows of a split.
 * @param local a table, a folder of tables, or a plain text where the task takes one, in place of the hub's; null for the hub.
 * @throws LuthierError when a file is damaged or missing, or the hub refuses.
 */
export async function readTaskRows(
  data: TaskData,
  split: string,
  local: string | null,
  hub: HubOptions = {},
): Promise<TaskRows> {
  if (local !== null) return localRows(local, data);
  const { dataset, config } = data;
  const files = await fetchSplit(dataset, config, split, hub);
  const tables: Table[] = [];
  for (const file of files) tables.push(await readTable(file, null));
  const name = config === null ? dataset : `${dataset} ${config}`;
  return { rows: tables.flatMap(({ rows }) => rows), name, split, sha256: hashOf(tables) };
}

async function localRows(local: string, data: TaskData): Promise<TaskRows> {
  const files = (await isFolder(local)) ? await tablesIn(local) : [local];
  const tables: Table[] = [];
  for (const file of files) tables.push(await readFile(file, data));
  return {
    rows: tables.flatMap(({ rows }) => rows),
    ...{ name: path.basename(local), split: null, sha256: hashOf(tables) },
  };
}

async function tablesIn(folder: string): Promise<readonly string[]> {
  const files = (await readdir(folder)).filter((file) => /\.(?:csv|tsv|jsonl|parquet)$/.test(file)).sort();
  if (files.length > 0) return files.map((file) => path.join(folder, file));
  throw new LuthierError(
    `${folder} has no tables such as anatomy_val.csv`,
    "give a folder of tables, or a single table",
    { usage: true },
  );
}

async function readFile(file: string, { header, fileNameColumn, rowsOfText }: TaskData): Promise<Table> {
  const { name, ext } = path.parse(file);
  if (rowsOfText !== undefined && plainTexts.includes(ext.toLowerCase())) {
    const { text, sha256 } = await readText({ text: file });
    return { rows: rowsOfText(text), sha256 };
  }
  const { rows, sha256 } = await readTable(file, header);
  if (fileNameColumn === undefined) return { rows, sha256 };
  return { rows: rows.map((row) => ({ [fileNameColumn]: name, ...row })), sha256 };
}

/** WikiText's own files are called `wiki.test.raw` and `wiki.test.tokens`. */
const plainTexts = [".txt", ".raw", ".tokens"];

async function isFolder(place: string): Promise<boolean> {
  try {
    return (await stat(place)).isDirectory();
  } catch (error) {
    throw fileError("read", place, error);
  }
}

function hashOf(tables: readonly Table[]): string {
  if (tables.length === 1) return tables[0].sha256;
  const hash = createHash("sha256");
  for (const { sha256 } of tables) hash.update(sha256);
  return hash.digest("hex");
}
