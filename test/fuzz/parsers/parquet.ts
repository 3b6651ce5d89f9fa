import path from "node:path";
import { readParquetRows, readTextColumn } from "../../../src/calibration/parquet.js";
import { parquetFile } from "../../calibration/parquet-file.js";
import { parserInFolder } from "../in-folder.js";
import { mutateBytes } from "../mutate-bytes.js";

export const parquet = parserInFolder({
  name: "parquet",
  covers: ["calibration/parquet"],
  async fill() {
    const text = { name: "text", values: ["one", "two", ""] };
    const label = { name: "label", values: [1n, 0n, 2n ** 60n] };
    const index = { name: "idx", values: [7, 8, 9] };
    const files = [parquetFile(text), parquetFile(text, label, index), parquetFile(label)];
    return files.map((bytes, at) => ({ file: `${at}.parquet`, bytes }));
  },
  mutation: () => mutateBytes,
  async read(folder, { file }) {
    const full = path.join(folder, file);
    await readParquetRows(full);
    await readTextColumn(full, "text");
  },
});
