import type { TextInput } from "../../model/model.js";
import type { Encoder } from "./asking.js";

/**
 * One text, or two, with the special tokens around them. What is longer than the model's context is cut at its end: of two
 * texts always the longer one, token by token (`longest_first` of transformers).
 */
export function framed(
  first: readonly number[],
  second: readonly number[] | null,
  { special, contextLength }: Pick<Encoder, "special" | "contextLength">,
): { readonly input: TextInput; readonly isCut: boolean } {
  if (second === null) {
    const { before, after } = special.around;
    const kept = first.slice(0, contextLength - before.length - after.length);
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

/** Two lengths that fit into the room together, the longer one shortened first. */
function cutLonger(first: number, second: number, room: number): readonly [number, number] {
  let [a, b] = [first, second];
  while (a + b > room) {
    if (a > b) a--;
    else b--;
  }
  return [Math.max(0, a), Math.max(0, b)];
}
