import { Command, Option } from "commander";
import type { TextSource } from "../../src/calibration/datasets.js";
import { LuthierError } from "../../src/error.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import type { Engine } from "../../src/pipeline/open-model.js";
import { secondsText } from "../../src/report/text.js";
import { type CommonOptions, localFolder, openTools, wholeNumber, withCommonOptions } from "../options.js";
import { facts, printResult } from "../output.js";

interface Options extends CommonOptions {
  readonly engine: Engine;
  readonly target?: string;
  readonly tasks: string;
  readonly text?: string;
  readonly dataset?: string;
  readonly config?: string;
  readonly split: string;
  readonly context?: number;
}

export function evalCommand(): Command {
  return withCommonOptions(new Command("eval"))
    .description("score a checkpoint or a run")
    .argument("<model|run>", "a checkpoint's or run's folder, or a hub id")
    .addOption(
      new Option("--engine <name>", "float: float32 arithmetic; lut: the engine on a pack's bytes")
        .choices(["float", "lut"])
        .default("float"),
    )
    .option("--target <name>", "which pack, when a run has several")
    .option("--tasks <names>", "what to score; so far: perplexity", "perplexity")
    .option("--text <file>", "a UTF-8 text file")
    .option("--dataset <name>", "a data set of the hub instead: wikitext2, or an id")
    .option("--config <name>", "the data set's configuration")
    .option("--split <name>", "the data set's split", "test")
    .option("--context <tokens>", "tokens a window (default: the model's context, at most 2048)", wholeNumber)
    .addHelpText("after", examples)
    .action(async (model: string, options: Options) => {
      const unknown = options.tasks.split(",").filter((task) => task !== "perplexity");
      if (unknown.length > 0) {
        throw new LuthierError(`there is no task '${unknown[0]}'`, "so far there is perplexity", {
          usage: true,
        });
      }
      const { kernels, onProgress } = openTools(options);
      const text = textOf(options);
      const folder = await localFolder(model, onProgress);
      const { engine, target, context } = options;
      const result = await evaluatePerplexity({
        path: folder,
        engine,
        target,
        text,
        context,
        kernels,
        onProgress,
      });
      printResult(options.json ?? false, result, () =>
        facts([
          ["perplexity", result.perplexity.toFixed(4)],
          ["per token", `${result.negativeLogLikelihood.toFixed(5)} nats`],
          [
            "engine",
            result.target
              ? `${result.engine}, ${result.target} pack, ${kernels.path} kernels`
              : result.engine,
          ],
          [
            "text",
            `${result.text.name}${result.text.split ? ` (${result.text.split})` : ""}, sha256 ${result.text.sha256.slice(0, 16)}…`,
          ],
          [
            "tokens",
            `${result.tokens}, ${result.windows} windows of ${result.context}, stride ${result.stride}, ${result.predictions} predictions`,
          ],
          ["time", secondsText(result.seconds)],
        ]),
      );
    });
}

const examples = `
Examples:
  luthier eval models/tiny --text calibration/the-fiddle-maker.txt --context 256
  luthier eval runs/tiny --engine lut --text book.txt --context 256 --json
  luthier eval Qwen/Qwen3-0.6B --dataset wikitext2 --split test --context 2048`;

function textOf({ text, dataset, config, split }: Options): TextSource {
  if ((text === undefined) === (dataset === undefined)) {
    throw new LuthierError("a perplexity needs a text", "give either --text <file> or --dataset <name>", {
      usage: true,
    });
  }
  return text === undefined ? { dataset: dataset as string, config, split } : { text };
}
