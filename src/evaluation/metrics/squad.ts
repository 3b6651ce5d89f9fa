import { expectKinds } from "../answered-kinds.js";
import { chosenText } from "../chosen.js";
import type { Metric } from "../metric.js";
import type { Answered } from "../task.js";
import { ascendingRows } from "./ascending.js";
import { ratioOfSums } from "./ratio.js";

/*
 * SQuAD 2.0's metrics, as its official evaluation defines them (arXiv:1806.03822; evaluate-v2.0.py), here as shares of 1 where
 * that prints percent: an answer scores best against one of the right texts, both normalised; a question without an answer is
 * answered right by an empty text. `HasAns_` and `NoAns_` are the means over the questions that have, and have no, answer.
 */

/** `exact`, `f1`, and each over the questions with and without an answer. */
export const squadMetrics: readonly Metric[] = [
  overAll("exact", exactMatch),
  overAll("f1", tokenF1),
  overPart("HasAns_exact", exactMatch, hasAnswer),
  overPart("HasAns_f1", tokenF1, hasAnswer),
  overPart("NoAns_exact", exactMatch, (golds) => !hasAnswer(golds)),
  overPart("NoAns_f1", tokenF1, (golds) => !hasAnswer(golds)),
];

/**
 * `best_exact` and `best_f1` of generated answers: as if each answer counted only where the alternative, "unanswerable", is less
 * likely than a threshold, and an empty one in its place elsewhere, with the threshold that is best for these examples.
 */
export const bestSquadMetrics: readonly Metric[] = [
  overBestThreshold("best_exact", exactMatch),
  overBestThreshold("best_f1", tokenF1),
];

/** How well a text answers, against one right text: from 0 to 1. */
type Closeness = (answer: string, gold: string) => number;

function overAll(name: string, closeness: Closeness): Metric {
  return {
    name,
    higherIsBetter: true,
    isMean: true,
    of: (example) => [best(textAndGolds(example, name), closeness), 1],
    value: ratioOfSums,
  };
}

function overPart(name: string, closeness: Closeness, isPart: (golds: readonly string[]) => boolean): Metric {
  return {
    name,
    higherIsBetter: true,
    isMean: false,
    of(example) {
      const compared = textAndGolds(example, name);
      return isPart(compared.golds) ? [best(compared, closeness), 1] : [0, 0];
    },
    value: ratioOfSums,
  };
}

/** Its columns: what the answer scores, plus 2 where an empty one would be right; the alternative's log-likelihood. */
function overBestThreshold(name: string, closeness: Closeness): Metric {
  return {
    name,
    higherIsBetter: true,
    isMean: false,
    of(example) {
      const { gold, answer } = expectKinds(example, name, "texts", "generation");
      const { alternativeLogLikelihood: alternative, text } = answer;
      if (alternative === null) throw new TypeError(`${name} needs the likelihood of an alternative`);
      if (hasAnswer(gold.texts)) return [best({ text, golds: gold.texts }, closeness), alternative];
      return [2 + Number(text === ""), alternative];
    },
    value(first, second, times) {
      let [examples, score] = [0, 0];
      for (let at = 0; at < first.length; at++) {
        examples += times[at];
        if (first[at] >= 2) score += times[at]; // all of them empty
      }
      let most = score;
      for (const at of ascendingRows(second)) {
        score += times[at] * (first[at] >= 2 ? first[at] - 3 : first[at]);
        most = Math.max(most, score);
      }
      return most / examples;
    },
  };
}

interface Compared {
  readonly text: string;
  readonly golds: readonly string[];
}

function textAndGolds(example: Answered, metric: string): Compared {
  const { gold, answer } = expectKinds(example, metric, "texts", "span", "generation");
  return { text: chosenText(answer), golds: gold.texts };
}

function hasAnswer(golds: readonly string[]): boolean {
  return golds.length > 0;
}

function best({ text, golds }: Compared, closeness: Closeness): number {
  const answer = normalizedAnswer(text);
  const normalized = golds.map(normalizedAnswer).filter((gold) => gold !== "");
  if (normalized.length === 0) return closeness(answer, "");
  return Math.max(...normalized.map((gold) => closeness(answer, gold)));
}

/** Lower case, without ASCII punctuation and the articles a, an and the, words one space apart. */
export function normalizedAnswer(text: string): string {
  const plain = text.toLowerCase().replace(punctuation, "").replace(articles, " ");
  return plain.split(whitespace).filter(Boolean).join(" ");
}

/** Python's `string.punctuation`. */
const punctuation = /[!-/:-@[-`{-~]/g;
/** With word boundaries of all alphabets, as Python has them: the `a` of `piñata` is no article. */
const articles = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;
const whitespace = /\p{White_Space}+/u;

function exactMatch(answer: string, gold: string): number {
  return Number(answer === gold);
}

/** F1 of the words that both have, each as often as it occurs in both; 1 for two empty texts, 0 for one. */
function tokenF1(answer: string, gold: string): number {
  if (answer === "" || gold === "") return exactMatch(answer, gold);
  const [words, goldWords] = [answer.split(" "), gold.split(" ")];
  const left = new Map<string, number>();
  for (const word of goldWords) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of words) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    left.set(word, count - 1);
    common++;
  }
  return (2 * common) / (words.length + goldWords.length);
}
