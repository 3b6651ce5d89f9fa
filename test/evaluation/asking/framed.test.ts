import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { classes } from "../../../src/evaluation/asking/classes.js";
import { framed } from "../../../src/evaluation/asking/framed.js";
import { matrix } from "../../../src/tensor/matrix.js";
import { bertTokens, characterEncoder, modelWith, noSpecialTokens } from "./encoders.js";

describe("a frame", () => {
  test("around one text", () => {
    const { input, isCut } = framed([1, 2, 3], null, { special: bertTokens, contextLength: 9 });
    expect(input).toEqual({ tokens: Int32Array.of(101, 1, 2, 3, 102), segments: null });
    expect(isCut).toBe(false);
  });

  test("around two marks the second and what follows it", () => {
    const { input } = framed([1, 2], [3], { special: bertTokens, contextLength: 9 });
    expect(input.tokens).toEqual(Int32Array.of(101, 1, 2, 102, 3, 102));
    expect(input.segments).toEqual(Int32Array.of(0, 0, 0, 0, 1, 1));
  });

  test("around two marks nothing where the tokenizer does not", () => {
    const { input } = framed([1, 2], [3], { special: noSpecialTokens, contextLength: 9 });
    expect(input).toEqual({ tokens: Int32Array.of(1, 2, 3), segments: new Int32Array(3) });
  });

  test("of a long text keeps the beginning, and both ends of the frame", () => {
    const { input, isCut } = framed([1, 2, 3, 4], null, { special: bertTokens, contextLength: 5 });
    expect([...input.tokens]).toEqual([101, 1, 2, 3, 102]);
    expect(isCut).toBe(true);
  });

  /** TruncationStrategy::LongestFirst of Hugging Face's tokenizers (tokenizers/src/utils/truncation.rs). */
  function longestFirst(first: number, second: number, most: number): [number, number] {
    if (first + second <= most) return [first, second];
    const swap = first > second;
    let [n1, n2] = swap ? [second, first] : [first, second];
    n2 = n1 > most ? n1 : Math.max(n1, most - n1);
    if (n1 + n2 > most) {
      n1 = Math.floor(most / 2);
      n2 = n1 + (most % 2);
    }
    return swap ? [n2, n1] : [n1, n2];
  }

  test("of two long texts cuts as the tokenizers library does", () => {
    const length = fc.integer({ min: 0, max: 20 });
    fc.assert(
      fc.property(length, length, fc.integer({ min: 3, max: 30 }), (first, second, contextLength) => {
        const [a, b] = [new Array<number>(first).fill(1), new Array<number>(second).fill(2)];
        const { input, isCut } = framed(a, b, { special: bertTokens, contextLength });
        const kept = [1, 2].map((token) => input.tokens.filter((each) => each === token).length);
        expect(kept).toEqual(longestFirst(first, second, contextLength - 3));
        expect(isCut).toBe(kept[0] + kept[1] < first + second);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a question for a classifier", () => {
  const encoder = characterEncoder({ special: bertTokens, contextLength: 8 });

  test("has its texts without blanks at their ends", () => {
    const one = classes.prepare({ kind: "classes", texts: [" ab \n"] }, encoder);
    expect([...one.input.tokens]).toEqual([101, 1097, 1098, 102]);
    const two = classes.prepare({ kind: "classes", texts: ["a ", " b"] }, encoder);
    expect([...two.input.tokens]).toEqual([101, 1097, 102, 1098, 102]);
    expect(two).toMatchObject({ tokens: 5, longest: 5, isCut: false });
  });

  test("that is too long is cut, and says so", () => {
    const cut = classes.prepare({ kind: "classes", texts: ["abcdefgh"] }, encoder);
    expect(cut).toMatchObject({ tokens: 8, longest: 8, isCut: true });
  });

  test("is answered by the head's logits, in the order of the questions", async () => {
    const questions = ["a", "bc"].map((text) => classes.prepare({ kind: "classes", texts: [text] }, encoder));
    const model = modelWith({
      readout: async (inputs) =>
        inputs.map(({ tokens }) => matrix(1, 2, Float32Array.of(tokens.length, 0.5))),
    });
    expect(await classes.answer(model, questions, encoder)).toEqual([
      { kind: "classes", logits: [3, 0.5] },
      { kind: "classes", logits: [4, 0.5] },
    ]);
  });
});
