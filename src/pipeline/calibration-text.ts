import { readText } from "../calibration/datasets.js";
import { calibrationWindows } from "../calibration/windows.js";
import { openTokenizer } from "../checkpoint/tokenizer.js";
import { LuthierError } from "../error.js";
import type { ModelDescription } from "../model/architecture.js";
import type { CalibrationChoice } from "../recipe/schema.js";
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

export interface CalibrationTextOptions {
  readonly calibration: CalibrationChoice;
  /** Where its file is looked for. */
  readonly folder: string;
  /** The checkpoint's, which has the tokenizer. */
  readonly directory: string;
  readonly description: Pick<ModelDescription, "contextLength">;
  /** Tokens of all windows where nothing says how many there are. */
  readonly tokensByDefault?: number;
}

/** Tokens a window where nothing says how long it is and the model takes more. */
const longestByDefault = 512;
/** Tokens of all windows where nothing says how many there are. */
const allTokensByDefault = 65536;

/** Tokens a window. */
export function lengthOf(
  { length }: CalibrationChoice,
  { contextLength }: Pick<ModelDescription, "contextLength">,
): number {
  return length ?? Math.min(contextLength, longestByDefault);
}

/** Windows of this length, where the text is long enough. */
export function samplesOf(
  { samples }: CalibrationChoice,
  length: number,
  tokensByDefault = allTokensByDefault,
): number {
  return samples ?? Math.ceil(tokensByDefault / length);
}

/**
 * Reads and cuts a text.
 * @throws LuthierError when it is missing or too short, or the windows are longer than the model's context.
 */
export async function calibrationText({
  calibration,
  folder,
  directory,
  description: { contextLength },
  tokensByDefault = allTokensByDefault,
}: CalibrationTextOptions): Promise<CalibrationText> {
  const length = lengthOf(calibration, { contextLength });
  if (length < 2) {
    throw new LuthierError(
      `calibration windows of ${length} token have nothing to predict`,
      "set the length to 2 or more",
      { usage: true },
    );
  }
  if (length > contextLength) {
    throw new LuthierError(
      `calibration windows of ${length} tokens exceed the model's context of ${contextLength}`,
      `set the length to ${contextLength} or less`,
      { usage: true },
    );
  }
  const samples = samplesOf(calibration, length, tokensByDefault);
  const { text, name, sha256 } = await readText(textSourceOf(calibration, folder));
  const tokens = (await openTokenizer(directory)).encode(text);
  const windows = calibrationWindows(tokens, samples, length);
  return { source: { name, sha256, windows: windows.length, length }, windows };
}
