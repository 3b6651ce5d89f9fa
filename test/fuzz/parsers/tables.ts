import path from "node:path";
import { readTable } from "../../../src/calibration/table.js";
import { parserInFolder } from "../in-folder.js";
import { mutateJson } from "../mutate-json.js";
import { mutateText } from "../mutate-text.js";

const texts: Readonly<Record<string, string>> = {
  "a.tsv": 'sentence\tlabel\nit is "good"\t1\nbad\t0\n',
  "b.tsv": '"sentence"\tlabel\n"with ""quotes"" and\ttabs"\t1\nbad\t0\n',
  "c.csv": 'sentence,label\r\n"a, b",1\r\n"two\nlines",0\r\n',
  "d.csv": "sentence\tlabel\nx\t1\n",
  "e.jsonl": '{"sentence":"a","label":1}\n{"sentence":"b","label":0}\n',
  "f.json": '[{"sentence":"a","label":1},{"sentence":"b","label":{"x":[1,2]}}]',
};

/** Delimited text, JSON Lines and JSON. */
export const tables = parserInFolder({
  name: "tables",
  covers: ["calibration/table", "calibration/delimited", "checkpoint/bounded-file"],
  async fill() {
    return Object.entries(texts).map(([file, text]) => ({ file, bytes: Buffer.from(text) }));
  },
  mutation: (file) => (file.endsWith(".json") ? mutateJson : mutateText),
  read: (folder, { file }) => readTable(path.join(folder, file), file < "c" ? ["sentence", "label"] : null),
});
