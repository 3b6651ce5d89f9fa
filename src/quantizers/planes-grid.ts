import { candidates } from "../kernels/trit-planes.js";
import type { Alphabet, PlanesOutline } from "../schemes/planes.js";
import type { WeightScheme } from "../schemes/scheme.js";
import { besideEachOther, type FittedLevels } from "./level-grid.js";

/** Levels of planes that are added up. */
export interface PlanesLevels extends FittedLevels {
  /** `[planes, N]`. */
  readonly scales: Float32Array;
  /** `[N]`; null without offsets. */
  readonly offsets: Float32Array | null;
  /** `[N, L]`: the choice of letters, one a plane, of each level. */
  readonly choices: Uint8Array;
}

/**
 * Every sum of planes with these scales, rising, as `dequantize` computes it. Choices that come to the same level are all
 * named by the first of them: of trits, the one with the fewest that are not zero.
 *
 * @param scales `[planes, N]`.
 * @param offsets `[N]`.
 */
export function planesLevels(
  alphabet: Alphabet,
  planes: number,
  scales: Float32Array,
  offsets: Float32Array | null,
): PlanesLevels {
  const letters = lettersOf(alphabet, planes);
  const rows = scales.length / planes;
  const levels = new Float32Array(rows * letters.length);
  const choices = new Uint8Array(levels.length);
  const sums = new Float32Array(letters.length);
  for (let row = 0; row < rows; row++) {
    for (const [choice, letter] of letters.entries()) {
      let sum = 0;
      for (let plane = 0; plane < planes; plane++) sum += scales[plane * rows + row] * letter[plane];
      sums[choice] = sum + (offsets ? offsets[row] : 0);
    }
    const first = row * letters.length;
    for (let choice = 0; choice < sums.length; choice++) {
      let at = first + choice;
      for (; at > first && levels[at - 1] > sums[choice]; at--) {
        levels[at] = levels[at - 1];
        choices[at] = choices[at - 1];
      }
      levels[at] = sums[choice];
      choices[at] = at > first && levels[at - 1] === sums[choice] ? choices[at - 1] : choice;
    }
  }
  return { levels, scales, offsets, choices };
}

/** The scheme of codes `[N, K]`. */
export function planesScheme(
  outline: PlanesOutline,
  codes: Uint8Array,
  groups: readonly PlanesLevels[],
): WeightScheme {
  const { alphabet, planes, rows, columns, group } = outline;
  const letters = lettersOf(alphabet, planes);
  const weights = rows * columns;
  const trits = new Int8Array(planes * weights);
  for (let at = 0; at < weights; at++) {
    const [row, column] = [Math.floor(at / columns), at % columns];
    const choice = groups[Math.floor(column / group)].choices[row * letters.length + codes[at]];
    for (let plane = 0; plane < planes; plane++) trits[plane * weights + at] = letters[choice][plane];
  }
  const scales = new Float32Array(planes * rows * groups.length);
  for (let plane = 0; plane < planes; plane++) {
    const own = groups.map((group) => group.scales.subarray(plane * rows, (plane + 1) * rows));
    scales.set(besideEachOther(own), plane * rows * groups.length);
  }
  const offsets = outline.offset && besideEachOther(groups.flatMap(({ offsets }) => offsets ?? []));
  return { ...outline, codes: trits, scales, ...(offsets && { offsets }) };
}

/** Every choice of letters, one a plane: of trits those with the fewest that are not zero first. */
function lettersOf(alphabet: Alphabet, planes: number): readonly (readonly number[])[] {
  if (alphabet === "trits") return candidates(planes);
  return Array.from({ length: 2 ** planes }, (_, signs) =>
    Array.from({ length: planes }, (_, plane) => ((signs >> plane) & 1 ? 1 : -1)),
  );
}
