import { accuracy } from "../metrics/accuracy.js";
import type { Task } from "../task.js";
import { choiceForm } from "./choice-form.js";
import { classColumn, textColumn, textsColumn, unfit } from "./columns.js";

const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

/** By log-likelihood of the letters, as the Open LLM Leaderboard has it: not by the chain of thought of the original. */
export const mmluPro: Task = {
  name: "mmlu-pro",
  summary: "MMLU-Pro: harder questions with up to ten choices",
  data: {
    dataset: "TIGER-Lab/MMLU-Pro",
    config: null,
    split: "test",
    shotsSplit: "validation",
    usualShots: 5,
    header: null,
  },
  forms: {
    causal: choiceForm({
      harness: { task: "leaderboard_mmlu_pro", version: "0.1" },
      metrics: [accuracy],
      ask(row) {
        const options = textsColumn(row, "options");
        if (options.length > letters.length || options.length === 0) {
          throw unfit("options", options, `1 to ${letters.length} texts`);
        }
        const choices = letters.slice(0, options.length);
        const lines = options.map((option, at) => `${letters[at]}. ${option}\n`);
        return {
          prompt: `${textColumn(row, "question")}\n${lines.join("")}Answer:`,
          choices,
          correct: classColumn(row, choices, "answer"),
        };
      },
    }),
  },
};
