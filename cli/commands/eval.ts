import { Command, Option } from "commander";
import type { TextSource } from "../../src/calibration/datasets.js";
import { LuthierError } from "../../src/error.js";
import type { Task } from "../../src/evaluation/task.js";
import { findTasks } from "../../src/evaluation/tasks/registry.js";
import { evaluatePerplexities } from "../../src/pipeline/evaluate.js";
import type { RunScore } from "../../src/pipeline/evaluate-recipe.js";
import { evaluateTask } from "../../src/pipeline/evaluate-task.js";
import { type Engine, isRun, type OpenModelOptions } from "../../src/pipeline/open-model.js";
import type { OnProgress } from "../../src/pipeline/progress.js";
import { answersFolder } from "../../src/pipeline/run-directory.js";
import { type CommonOptions, localFolder, openTools, wholeNumber, withCommonOptions } from "../options.js";
import { printResult } from "../output.js";
import { scoresText } from "../summary-text.js";

interface Options extends CommonOptions {
  readonly engine: Engine;
  readonly target?: string;
  readonly against?: string;
  readonly tasks: string;
  readonly data?: string;
  readonly shots?: number;
  readonly shotsData?: string;
  readonly limit?: number;
  readonly keep?: string;
  readonly text?: string;
  readonly dataset?: string;
  readonly config?: string;
  readonly split: string;
  readonly context?: number;
}

export function evalCommand(): Command {
  return withCommonOptions(new Command("eval"))
    .description("score a checkpoint or a run: perplexity, and tasks as lm-evaluation-harness asks them")
    .argument("<model|run>", "a checkpoint's or run's folder, or a hub id")
    .addOption(
      new Option("--engine <name>", "float: float32 arithmetic; lut: the engine on a pack's bytes")
        .choices(["float", "lut"])
        .default("float"),
    )
    .option("--target <name>", "which pack, when a run has several")
    .option("--against <model>", "score this too, the float checkpoint, and compare on the same examples")
    .option(
      "--tasks <names>",
      "perplexity, tasks or groups of them (`luthier tasks`), with commas",
      "perplexity",
    )
    .option("--data <file|dir>", "a task's examples, in place of the hub's: .tsv, .csv, .jsonl, .parquet")
    .option("--shots <count>", "solved examples before each (default: as the task is defined)", shotCount)
    .option("--shots-data <file|dir>", "where the solved examples lie, in place of the hub's")
    .option("--limit <count>", "only the first so many examples of each task", wholeNumber)
    .option("--keep <dir>", "keep answers there, and go on from them (default: in the run's folder)")
    .option("--text <file>", "a UTF-8 text file, for perplexity")
    .option("--dataset <name>", "a data set of the hub instead: wikitext2, ptb, c4 or an id")
    .option("--config <name>", "the data set's configuration")
    .option("--split <name>", "the data set's split", "test")
    .option("--context <tokens>", "tokens a window (default: the model's context, at most 2048)", wholeNumber)
    .addHelpText("after", examples)
    .action(async (model: string, options: Options) => {
      const { kernels, onProgress } = openTools(options);
      const asked = tasksOf(options);
      const { engine, target, against } = options;
      const scored = { path: await localFolder(model, onProgress), engine, target, kernels };
      const float = against && {
        path: await localFolder(against, onProgress),
        engine: "float" as const,
        kernels,
      };
      const subjects = float ? [float, scored] : [scored];
      const scores: RunScore[] = [];
      for (const task of asked) {
        const results = await evaluate(task, subjects, options, onProgress);
        for (const [at, result] of results.entries()) {
          const ofRun = at === subjects.length - 1 && (await isRun(scored.path));
          scores.push({ of: ofRun ? "run" : "checkpoint", ...result });
        }
      }
      printResult(options.json ?? false, scores, () => scoresText(scores));
    });
}

const examples = `
Examples:
  luthier eval models/tiny --text calibration/the-fiddle-maker.txt --context 256
  luthier eval runs/tiny --engine lut --text book.txt --context 256 --json
  luthier eval runs/tiny --engine lut --tasks arc-easy --data arc_easy_test.csv --against models/tiny
  luthier eval Qwen/Qwen3-0.6B --tasks perplexity,glue:sst2,hellaswag --dataset wikitext2 --limit 200`;

/** The tasks asked for; `null` stands for perplexity. */
function tasksOf({ tasks, data }: Options): readonly (Task | null)[] {
  const names = tasks.split(",").map((name) => name.trim());
  const found = names.flatMap((name): readonly (Task | null)[] =>
    name === "perplexity" ? [null] : findTasks(name),
  );
  if (data !== undefined && found.filter((task) => task !== null).length !== 1) {
    throw new LuthierError(
      `--data holds the examples of one task, and --tasks asks for ${tasks}`,
      "score one task at a time, or leave out --data to fetch the hub's",
      { usage: true },
    );
  }
  return found;
}

async function evaluate(
  task: Task | null,
  subjects: readonly OpenModelOptions[],
  options: Options,
  onProgress: OnProgress,
) {
  if (task === null) {
    const { context } = options;
    return evaluatePerplexities(subjects, { text: textOf(options), context, onProgress });
  }
  const { path: scored } = subjects[subjects.length - 1];
  const keep = options.keep ?? ((await isRun(scored)) ? answersFolder(scored) : null);
  const { data, shots, shotsData, limit } = options;
  return evaluateTask({ task, data, shots, shotsData, limit, subjects, keep, onProgress });
}

function textOf({ text, dataset, config, split }: Options): TextSource {
  if ((text === undefined) === (dataset === undefined)) {
    throw new LuthierError("a perplexity needs a text", "give either --text <file> or --dataset <name>", {
      usage: true,
    });
  }
  return text === undefined ? { dataset: dataset as string, config, split } : { text };
}

function shotCount(text: string): number {
  return text === "0" ? 0 : wholeNumber(text);
}
