import type { TextInput } from "../../model/model.js";
import type { Encoder } from "./asking.js";

/**
 * One text, or two, with the special tokens around them. What is longer than the model's context is cut at its end, of two
 * texts first the longer one (`longest_first` of Hugging Face's tokenizers).
 */
export function framed(
  first: readonly number[],
  second: readonly number[] | null,
  { special, contextLength }: Pick<Encoder, "special" | "contextLength">,
): { readonly input: TextInput; readonly isCut: boolean } {
  if (second === null) {
    const { before, after } = special.around;
    const kept = first.slice(0, Math.max(0, contextLength - before.length - after.length));
    const tokens = Int32Array.of(...before, ...kept, ...after);
    return { input: { tokens, segments: null }, isCut: kept.length < first.length };
  }
  const { before, between, after, marksSecond } = special.aroundPair;
  const room = contextLength - before.length - between.length - after.length;
  const [ofFirst, ofSecond] = cutLonger(first.length, second.length, room);
  const [a, b] = [first.slice(0, ofFirst), second.slice(0, ofSecond)];
  const tokens = Int32Array.of(...before, ...a, ...between, ...b, ...after);
  const segments = new Int32Array(tokens.length);
  if (marksSecond) segments.fill(1, before.length + a.length + between.length);
  const isCut = ofFirst < first.length || ofSecond < second.length;
  return { input: { tokens, segments }, isCut };
}

/**
 * Two lengths that fit into the room together: the longer one is shortened, or both to half the room where that is not enough.
 * Of an odd room the longer text has one token more, the second of equally long ones (`truncate_encodings` of tokenizers;
 * transformers' own, slow `truncate_sequences` gives it to the first).
 */
function cutLonger(first: number, second: number, room: number): readonly [number, number] {
  if (first + second <= room) return [first, second];
  if (first > second) return [...cutLonger(second, first, room)].reverse() as [number, number];
  const half = Math.floor(Math.max(0, room) / 2);
  const kept = Math.min(first, half);
  return [kept, Math.max(0, room) - kept];
}
