import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { fetchSplit } from "../calibration/datasets.js";
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
 * @param local a table, or a folder of tables with one subject each, in place of the hub's; null for the hub.
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

async function localRows(local: string, { header }: TaskData): Promise<TaskRows> {
  const name = path.basename(local);
  if (!(await isFolder(local))) return { ...(await readTable(local, header)), name, split: null };
  const files = (await readdir(local)).filter((file) => tableOfSubject.test(file)).sort();
  if (files.length === 0) {
    throw new LuthierError(
      `${local} has no tables such as anatomy_val.csv`,
      "give a folder with one table for each subject, or a single table",
      { usage: true },
    );
  }
  const tables: Table[] = [];
  for (const file of files) {
    const [, subject] = tableOfSubject.exec(file) ?? [];
    const { rows, sha256 } = await readTable(path.join(local, file), header);
    tables.push({ rows: rows.map((row) => ({ subject, ...row })), sha256 });
  }
  return { rows: tables.flatMap(({ rows }) => rows), name, split: null, sha256: hashOf(tables) };
}

/** `anatomy_val.csv`: MMLU's way to name the table of a subject. */
const tableOfSubject = /^(.+?)(?:_(?:dev|val|test|train|validation))?\.(?:csv|tsv|jsonl|parquet)$/;

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
