import { LuthierError } from "../error.js";

/**
 * Windows of a text for calibration, evenly spread from its beginning to its end and without overlap; as many as there
 * are where the text is shorter.
 *
 * @param tokens the whole text.
 * @throws LuthierError when it has not even one window.
 */
export function calibrationWindows(
  tokens: Int32Array,
  samples: number,
  length: number,
): readonly Int32Array[] {
  const most = Math.floor(tokens.length / length);
  if (most === 0) {
    throw new LuthierError(
      `the calibration text has ${tokens.length} tokens, fewer than one window of ${length}`,
      "give a longer text, or a smaller `length`",
      { usage: true },
    );
  }
  const count = Math.min(samples, most);
  const spare = tokens.length - count * length;
  return Array.from({ length: count }, (_, i) => {
    const first = i * length + (count > 1 ? Math.floor((i * spare) / (count - 1)) : 0);
    return tokens.subarray(first, first + length);
  });
}
