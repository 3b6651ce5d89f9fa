import { accuracy } from "../metrics/accuracy.js";
import type { Row, Task } from "../task.js";
import { columnOf, textColumn, unfit } from "./columns.js";
import { answerDelimiter, solvedExamples } from "./few-shot.js";
import { strip } from "./whitespace.js";

/**
 * Partial scoring (Trinh & Le, arXiv:1806.02847): the options stand in the context, and what is scored is the rest of the sentence,
 * the same after both.
 */
export const winoGrande: Task = {
  name: "winogrande",
  summary: "WinoGrande: which of two names does a sentence's blank stand for?",
  data: {
    dataset: "allenai/winogrande@refs/convert/parquet",
    config: "winogrande_xl",
    split: "validation",
    shotsSplit: "train",
    header: null,
  },
  forms: {
    causal: {
      harness: { task: "winogrande", version: "1.0" },
      metrics: [accuracy],
      example(row, shots) {
        const { beginnings, rest, correct } = sentenceOf(row);
        if (correct === null) return null;
        const solved = solvedExamples(shots, solvedSentence);
        const choices = beginnings.map((beginning) => ({
          context: solved + beginning,
          continuation: answerDelimiter + rest,
        }));
        return { question: { kind: "choices", choices }, gold: { kind: "index", index: correct } };
      },
    },
  },
};

interface Sentence {
  /** Up to the blank, with each option in its place. */
  readonly beginnings: readonly [string, string];
  readonly rest: string;
  readonly correct: number | null;
}

function sentenceOf(row: Row): Sentence {
  const sentence = textColumn(row, "sentence");
  const blank = sentence.indexOf("_");
  if (blank < 0) throw unfit("sentence", sentence, "a sentence with a blank, written _");
  const before = sentence.slice(0, blank);
  return {
    beginnings: [before + textColumn(row, "option1"), before + textColumn(row, "option2")],
    rest: strip(sentence.slice(blank + 1)),
    correct: answerOf(row),
  };
}

/** Options count from 1. */
function answerOf(row: Row): number | null {
  const { name, value } = columnOf(row, ["answer"]);
  const written = value === null ? "" : String(value).trim();
  if (written === "") return null;
  if (written === "1" || written === "2") return Number(written) - 1;
  throw unfit(name, value, "1 or 2");
}

function solvedSentence(row: Row): string | null {
  const { beginnings, rest, correct } = sentenceOf(row);
  return correct === null ? null : beginnings[correct] + answerDelimiter + rest;
}
