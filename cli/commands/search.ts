import path from "node:path";
import { Command } from "commander";
import { LuthierError } from "../../src/error.js";
import { targetChoice } from "../../src/pipeline/target-choice.js";
import { loadCandidates } from "../../src/recipe/candidates.js";
import { loadDevice } from "../../src/recipe/device.js";
import type { CalibrationChoice } from "../../src/recipe/schema.js";
import { boundText, sizeText } from "../../src/report/search-markdown.js";
import { writeSearch } from "../../src/report/write-search.js";
import { parseBudget } from "../../src/search/budget.js";
import type { SearchTarget } from "../../src/search/candidates.js";
import { type SearchResult, search } from "../../src/search/search.js";
import { findTarget } from "../../src/targets/registry.js";
import {
  type CommonOptions,
  localFolder,
  openTools,
  settingsOf,
  wholeNumber,
  withCommonOptions,
} from "../options.js";
import { facts, printResult, table, title } from "../output.js";

interface Options extends CommonOptions {
  readonly budget: string;
  readonly target?: string;
  readonly device?: string;
  readonly set?: string[];
  readonly candidates?: string;
  readonly text?: string;
  readonly dataset?: string;
  readonly config?: string;
  readonly split: string;
  readonly samples?: number;
  readonly length?: number;
  readonly compare?: string[];
  readonly out?: string;
}

export function searchCommand(): Command {
  return withCommonOptions(new Command("search"))
    .description("find a recipe under a budget: what each linear should become, by what it costs the model")
    .argument("<model>", "a checkpoint's folder, or a hub id")
    .requiredOption(
      "--budget <amount>",
      "bits per weight (3, 3.2bits), bytes (1.4MiB) or cycles a token (2.5Mcycles)",
    )
    .option("--target <name>", "only what this target takes (`luthier targets`); the recipe packs for it")
    .option("--device <name|file>", "the device whose cycles are counted (`luthier devices`)")
    .option("--set <name=value...>", "layout parameters of the target")
    .option("--candidates <file|list>", "YAML list of what to choose from (default: see below)")
    .option("--text <file>", "a UTF-8 text file to measure on and to fit methods to")
    .option("--dataset <name>", "a data set of the hub instead: wikitext2, or an id")
    .option("--config <name>", "the data set's configuration")
    .option("--split <name>", "the data set's split", "train")
    .option("--samples <count>", "windows of the text (default: as many as have 16,384 tokens)", wholeNumber)
    .option("--length <tokens>", "tokens a window (default: the model's context, at most 512)", wholeNumber)
    .option("--compare <run|recipe...>", "runs, or recipes to run, that are shown beside what is found")
    .option("--out <dir>", "the folder of the result (default: runs/<model>-search)")
    .addHelpText("after", examples)
    .action(async (model: string, options: Options) => {
      const { kernels, onProgress } = openTools(options);
      const budget = parseBudget(options.budget);
      const calibration = calibrationOf(options);
      const target = await targetOf(options);
      const candidates = options.candidates ? await loadCandidates(options.candidates) : undefined;
      const folder = await localFolder(model, onProgress);
      const out = options.out ?? path.join("runs", `${path.basename(path.resolve(model))}-search`);
      const result = await search({
        ...{ model: folder, out, budget, calibration, target, candidates, kernels, onProgress },
        compare: options.compare,
      });
      await writeSearch(result);
      printResult(options.json ?? false, result, () => text(result));
    });
}

const examples = `
Each linear is measured alone: the error of its outputs as each candidate makes it, and how far the model's next-token
distributions move. The candidates are then chosen so that the predicted divergence is least within the budget. The
folder gets recipe.yaml, search.md, search.json and frontier.svg, and keeps what was measured: another budget on the
same text takes seconds. docs/search.md says more.

By default candidates are compensated-trit-planes, compensated-bcq and gptq from 1.7 to 6 bits; with --target those that
it takes, and its typical rule with other bits. A list of one's own says what rules of recipes say:
  - quantize: { method: rtn, bits: 3, group: 64 }
  - quantize: { method: trit-planes }
    activation: { scheme: int8 }

Examples:
  luthier search models/tiny --budget 3 --text calibration/sampled-from-tiny.txt
  luthier search models/tiny --budget 1.2MiB --text book.txt --candidates mine.yaml --compare rtn-int4-g128 runs/tiny
  luthier search models/tiny --budget 150kcycles --target t-mac --device surface-book-3 --text book.txt --json`;

function calibrationOf({ text, dataset, config, split, samples, length }: Options): CalibrationChoice {
  if ((text === undefined) === (dataset === undefined)) {
    throw new LuthierError("a search needs a text", "give either --text <file> or --dataset <name>", {
      usage: true,
    });
  }
  if (text !== undefined) return { text: path.resolve(text), split, samples, length };
  return { dataset, config, split, samples, length };
}

async function targetOf({ target, device, set = [] }: Options): Promise<SearchTarget | undefined> {
  if (target !== undefined) {
    return {
      choice: targetChoice(findTarget(target), settingsOf(set)),
      device: device === undefined ? null : await loadDevice(device),
    };
  }
  if (device === undefined && set.length === 0) return undefined;
  throw new LuthierError("--device and --set are of a target", "give --target too", { usage: true });
}

function text(result: SearchResult): string {
  const { model, found, uniform, compared, linears, recipe } = result;
  const row = (name: string, bits: number, loss: number | null, divergence: number) => [
    name,
    bits.toFixed(3),
    loss?.toPrecision(3) ?? "",
    divergence.toPrecision(3),
  ];
  return [
    title(`${model}: ${sizeText(found)}`),
    table(
      ["linear", "becomes", "bits/weight", "predicted loss"],
      linears.map(({ name, options, chosen }) => [
        name,
        options[chosen].candidate.name,
        options[chosen].bitsPerWeight.toFixed(2),
        options[chosen].loss.toPrecision(3),
      ]),
    ),
    "",
    table(
      ["divergence, nats a token", "bits/weight", "predicted", "measured"],
      [
        row("found", found.bitsPerWeight, found.loss, found.divergence),
        ...uniform.map((each) => row(each.candidate.name, each.bitsPerWeight, each.loss, each.divergence)),
        ...compared.map((each) => row(each.name, each.bitsPerWeight, null, each.divergence)),
      ],
    ),
    "",
    boundText(found),
    facts([["recipe", recipe]]),
  ].join("\n");
}
