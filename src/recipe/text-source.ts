import path from "node:path";
import type { TextSource } from "../calibration/datasets.js";
import type { CalibrationChoice, PerplexityChoice } from "./schema.js";

/** The text that a recipe names; a file is looked for in `folder`, that of the recipe. */
export function textSourceOf(
  { text, dataset, config, split, column }: CalibrationChoice | PerplexityChoice,
  folder: string,
): TextSource {
  if (text !== undefined) return { text: path.resolve(folder, text) };
  if (dataset === undefined) throw new RangeError("neither a text nor a data set"); // the parser refused it
  return { dataset, config, split, column };
}
