import path from "node:path";
import { readText } from "../calibration/datasets.js";
import { calibrationWindows } from "../calibration/windows.js";
import { openTokenizer } from "../checkpoint/tokenizer.js";
import { LuthierError } from "../error.js";
import type { ModelDescription } from "../model/architecture.js";
import type { LoadedRecipe } from "../recipe/shipped.js";
import { textSourceOf } from "../recipe/text-source.js";

/** The calibration text of a run, cut into windows of tokens. */
export interface CalibrationText {
  /** What the run's record says of it. */
  readonly source: {
    readonly name: string;
    readonly sha256: string;
    readonly windows: number;
    readonly length: number;
  };
  /** Equally long. */
  readonly windows: readonly Int32Array[];
}

/** Tokens a window where the recipe names no length and the model takes more. */
const longestByDefault = 512;

/** Tokens of all windows where the recipe does not say how many there are. */
const tokensByDefault = 65536;

/**
 * Reads and cuts the text that a recipe names; a file is looked for in the recipe's folder.
 * @throws LuthierError when it is missing or too short, or the windows are longer than the model's context.
 */
export async function calibrationText(
  { recipe, file }: LoadedRecipe,
  directory: string,
  { contextLength }: ModelDescription,
): Promise<CalibrationText> {
  const { calibration } = recipe;
  if (calibration === undefined) throw new RangeError("the recipe has no calibration"); // the plan refused it
  const length = calibration.length ?? Math.min(contextLength, longestByDefault);
  if (length > contextLength) {
    throw new LuthierError(
      `calibration windows of ${length} tokens exceed the model's context of ${contextLength}`,
      `set the length to ${contextLength} or less`,
      { usage: true },
    );
  }
  const samples = calibration.samples ?? Math.ceil(tokensByDefault / length);
  const { text, name, sha256 } = await readText(textSourceOf(calibration, path.dirname(file)));
  const tokens = (await openTokenizer(directory)).encode(text);
  const windows = calibrationWindows(tokens, samples, length);
  return { source: { name, sha256, windows: windows.length, length }, windows };
}
