import { createHash } from "node:crypto";
import path from "node:path";
import { readBounded } from "../checkpoint/bounded-file.js";
import { fetchDataset, type HubOptions } from "../checkpoint/hub.js";
import { LuthierError } from "../error.js";
import { readTextColumn } from "./parquet.js";

/** Where a text comes from: a file, or a column of a data set on the hub. */
export type TextSource =
  | {
      /** Path of a UTF-8 text file. */
      readonly text: string;
    }
  | {
      /** A name of `namedDatasets`, or a hub id `org/name` or `org/name@revision`. */
      readonly dataset: string;
      /** Which of the data set's configurations; a named data set knows its own. */
      readonly config?: string;
      readonly split: string;
      /** Which column holds the text; `text` unless given. */
      readonly column?: string;
    };

export interface Text {
  readonly text: string;
  /** For reports: the file's name, or data set and configuration. */
  readonly name: string;
  readonly split: string | null;
  /** Of a file's bytes; of a data set's text in UTF-8. */
  readonly sha256: string;
}

export interface NamedDataset {
  readonly dataset: string;
  readonly config: string;
  readonly column: string;
  /** What stands between documents. */
  readonly separator: string;
  /** How many documents of its beginning are read; all unless given. */
  readonly documents?: number;
}

/** Between the documents of a data set that is not named here: as of WikiText-2. */
const blankLine = "\n\n";

export const namedDatasets: Readonly<Record<string, NamedDataset>> = {
  wikitext2: {
    ...{ dataset: "Salesforce/wikitext", config: "wikitext-2-raw-v1", column: "text" },
    separator: blankLine,
  },
  // As GPTQ's own scripts read them (`ptb-new`, `c4-new` of datautils.py), from the hub's conversions to parquet; these have
  // only the beginning of C4, in splits called `partial-train` and `partial-validation`.
  ptb: {
    ...{ dataset: "ptb-text-only/ptb_text_only@refs/convert/parquet", config: "penn_treebank" },
    ...{ column: "sentence", separator: " " },
  },
  c4: {
    ...{ dataset: "allenai/c4@refs/convert/parquet", config: "en", column: "text" },
    ...{ separator: " ", documents: 1100 },
  },
};

/**
 * Reads a text. The documents of a data set, its rows, are joined with blank lines, empty rows included, unless its name
 * says otherwise: the WikiText-2 convention of GPTQ, AWQ and their successors, by which published perplexities compare.
 *
 * @throws LuthierError when the source is missing, is no text, or the hub refuses.
 */
export async function readText(source: TextSource, options: HubOptions = {}): Promise<Text> {
  if ("text" in source) return textOfFile(source.text);
  const named = Object.hasOwn(namedDatasets, source.dataset) ? namedDatasets[source.dataset] : null;
  const id = named?.dataset ?? source.dataset;
  const config = source.config ?? named?.config ?? null;
  const column = source.column ?? named?.column ?? "text";
  const files = await fetchSplit(id, config, source.split, options);
  const { separator = blankLine, documents = Number.POSITIVE_INFINITY } = named ?? {};
  const text = (await documentsOf(files, column, id, documents)).join(separator);
  const name = config === null ? id : `${id} ${config}`;
  return { text, name, split: source.split, sha256: sha256(Buffer.from(text)) };
}

/**
 * The parquet files of a split of a data set on the hub, in order, on this machine.
 * @param config null for a data set with a single configuration.
 * @throws LuthierError when the hub refuses, there is no such split, or part of it is missing.
 */
export function fetchSplit(
  dataset: string,
  config: string | null,
  split: string,
  options: HubOptions,
): Promise<readonly string[]> {
  return fetchDataset(dataset, (paths) => filesOfSplit(paths, dataset, config, split), options);
}

async function documentsOf(
  files: readonly string[],
  column: string,
  id: string,
  most: number,
): Promise<readonly string[]> {
  const documents: string[] = [];
  let length = 0;
  for (const file of files) {
    for (const document of await readTextColumn(file, column)) {
      if (documents.length === most) return documents;
      documents.push(document);
      length += document.length + blankLine.length;
    }
    if (length > textLengthLimit) {
      throw new LuthierError(
        `the split of ${id} has more than ${textLengthLimit} characters`,
        "Choose a smaller split or configuration: calibration and evaluation read far less.",
      );
    }
  }
  return documents;
}

/** V8 holds no longer text, in UTF-16 units; in a UTF-8 file each of them takes a byte or more. */
const textLengthLimit = 2 ** 29 - 24;

async function textOfFile(file: string): Promise<Text> {
  const bytes = await readBounded(file, textLengthLimit);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return { text, name: path.basename(file), split: null, sha256: sha256(bytes) };
  } catch (error) {
    throw new LuthierError(`${file} is not UTF-8 text`, "Convert it, for example with iconv -t UTF-8.", {
      cause: error,
    });
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A parquet file of a data set, by the naming rules of the hub. */
interface SplitFile {
  readonly file: string;
  readonly config: string;
  readonly split: string;
  readonly index: number;
  /** How many files make the split, where the name says so. */
  readonly count: number | null;
}

const namings = [
  // wikitext-2-raw-v1/test-00000-of-00001.parquet, data/train-00000-of-00002-a09b74b3ef9c3b56.parquet
  /^(?:(?<config>.+)\/)?(?<split>[^/]+)-(?<index>\d{5})-of-(?<count>\d{5})(?:-[0-9a-f]+)?\.parquet$/,
  // The hub's own conversions (revision refs/convert/parquet): en/partial-train/0003.parquet
  /^(?<config>.+)\/(?<split>[^/]+)\/(?<index>\d{4,})\.parquet$/,
  // data/train.parquet
  /^(?:(?<config>.+)\/)?(?<split>[^/]+)\.parquet$/,
];

/** The folder that a data set with a single configuration uses. */
const onlyConfig = "data";

function splitFileOf(file: string): SplitFile | null {
  for (const naming of namings) {
    const parts = naming.exec(file)?.groups;
    if (parts === undefined) continue;
    const { config = onlyConfig, split, index = "0", count } = parts;
    return { file, config, split, index: Number(index), count: count === undefined ? null : Number(count) };
  }
  return null;
}

/** The parquet files of a split, in order. @throws LuthierError when there are none, or one is missing. */
function filesOfSplit(
  paths: readonly string[],
  id: string,
  config: string | null,
  split: string,
): readonly string[] {
  const all = paths.map(splitFileOf).filter((file) => file !== null);
  const wanted = config ?? onlyConfig;
  const found = all.filter((file) => file.config === wanted && file.split === split);
  if (found.length === 0) {
    const known = [...new Set(all.map((file) => `${file.config}/${file.split}`))].sort();
    throw new LuthierError(
      `the data set ${id} has no split ${split} of configuration ${wanted} in parquet`,
      known.length === 0
        ? `Try ${id}@refs/convert/parquet, the hub's own conversion.`
        : `Choose one of: ${known.slice(0, 12).join(", ")}${known.length > 12 ? ", ..." : ""}.`,
    );
  }
  found.sort((a, b) => a.index - b.index);
  const missing = found.findIndex((file, i) => file.index !== i);
  const count = found[0].count ?? found.length;
  if (missing >= 0 || found.length !== count) {
    throw new LuthierError(
      `the split ${split} of ${id} has ${found.length} files here, not all ${count}`,
      "Run once without HF_HUB_OFFLINE, so that the rest is downloaded.",
    );
  }
  return found.map(({ file }) => file);
}
