import { bytesPerWord } from "./layout.js";

/*
 * The order of query and key rows. Models rotate element t of a head with element d/2 + t, TeLLMe neighbours: new row
 * 2t is row t, and 2t + 1 is row d/2 + t of the head (arXiv 2510.15926 §III).
 */

/** The model's row that the hardware has in each place `[N]`; `headSize` 0 leaves all where they are. */
export function modelRows(rows: number, headSize: number): Uint32Array {
  return Uint32Array.from({ length: rows }, (_, place) => {
    if (headSize === 0) return place;
    const t = place % headSize;
    return place - t + (t >> 1) + (t & 1 ? headSize / 2 : 0);
  });
}

/** Words `[slices, N, 18]` of the model's rows in the hardware's order. */
export function toHardwareRows(words: Uint8Array, rows: number, headSize: number): Uint8Array {
  return moveRows(words, rows, headSize, (model, place) => [model, place]);
}

export function toModelRows(words: Uint8Array, rows: number, headSize: number): Uint8Array {
  return moveRows(words, rows, headSize, (model, place) => [place, model]);
}

function moveRows(
  words: Uint8Array,
  rows: number,
  headSize: number,
  fromTo: (model: number, place: number) => readonly [number, number],
): Uint8Array {
  if (headSize === 0) return words;
  const out = new Uint8Array(words.length);
  const sliceBytes = rows * bytesPerWord;
  for (const [place, model] of modelRows(rows, headSize).entries()) {
    const [from, to] = fromTo(model, place);
    for (let slice = 0; slice < words.length; slice += sliceBytes) {
      const word = slice + from * bytesPerWord;
      out.set(words.subarray(word, word + bytesPerWord), slice + to * bytesPerWord);
    }
  }
  return out;
}
