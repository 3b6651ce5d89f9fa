import { expect, test } from "vitest";
import { bitsPerByte, bytePerplexity, wordPerplexity } from "../../../src/evaluation/metrics/text.js";
import { metricOf, scoredText } from "./examples.js";

// Two texts of 3 words and 12 bytes together, with probabilities 2⁻¹⁸ and 2⁻⁶.
const examples = [scoredText(-18 * Math.LN2, 2, 9), scoredText(-6 * Math.LN2, 1, 3)];

test("word_perplexity is exp of the negative log-likelihood per word, texts weighted by their words", () => {
  // 24 bits over 3 words: 2⁸, where the mean of the texts' own perplexities would be (2⁹ + 2⁶) / 2
  expect(metricOf(wordPerplexity, examples)).toBeCloseTo(256, 9);
});

test("byte_perplexity is that per byte, bits_per_byte its binary logarithm", () => {
  expect(metricOf(bytePerplexity, examples)).toBeCloseTo(4, 12);
  expect(metricOf(bitsPerByte, examples)).toBeCloseTo(2, 12);
});
