import path from "node:path";
import { Command } from "commander";
import { LuthierError } from "../../src/error.js";
import { linearsOf } from "../../src/model/architecture.js";
import { heads } from "../../src/model/kind.js";
import { describeModel } from "../../src/model/model.js";
import { openModelCheckpoint } from "../../src/model/open-checkpoint.js";
import { inspectLinear, type LinearInspection } from "../../src/pipeline/inspect.js";
import { isRun } from "../../src/pipeline/open-model.js";
import { earlierScores } from "../../src/report/report-file.js";
import { summarizeRun } from "../../src/report/summary.js";
import { bytesText, countText } from "../../src/report/text.js";
import type { DequantizedCheckpoint } from "../../src/schemes/stored/dequantized.js";
import { describeWeight } from "../../src/schemes/weights.js";
import { type CommonOptions, localFolder, openTools, withCommonOptions } from "../options.js";
import { facts, printResult, table, title } from "../output.js";
import { summaryText } from "../summary-text.js";

export function inspectCommand(): Command {
  return withCommonOptions(new Command("inspect"))
    .description("what is in a checkpoint or a run: linears, schemes, bits, bytes; one linear in depth")
    .argument("<model|run>", "a checkpoint's or run's folder, or a hub id")
    .option("--linear <name>", "one linear of a run in depth")
    .addHelpText(
      "after",
      "\nExamples:\n  luthier inspect models/tiny\n  luthier inspect runs/tiny --linear model.layers.0.mlp.down_proj",
    )
    .action(async (model: string, options: CommonOptions & { readonly linear?: string }) => {
      const { onProgress } = openTools(options);
      const json = options.json ?? false;
      const folder = await localFolder(model, onProgress);
      if (!(await isRun(folder))) {
        if (options.linear)
          throw new LuthierError(`${folder} is no run`, "--linear looks into a run's quantized linears", {
            usage: true,
          });
        return inspectCheckpoint(folder, json);
      }
      if (options.linear) {
        const found = await inspectLinear(folder, options.linear);
        return printResult(json, found, () => linearText(found));
      }
      const summary = await summarizeRun(folder, await earlierScores(folder));
      printResult(json, summary, () => {
        const rows = summary.linears.map((each) => [
          each.name,
          each.shape.join(" × "),
          each.scheme,
          bytesText(each.bytes),
          each.relativeError.toFixed(4),
        ]);
        return [
          summaryText(summary),
          "",
          table(["linear", "outputs × inputs", "scheme", "bytes", "relative error"], rows),
        ].join("\n");
      });
    });
}

/** Dtype or scheme of a weight as the checkpoint has it, and the tensors that it is made of. */
async function storage(tensor: string, { stored, tensors }: DequantizedCheckpoint) {
  const linear = stored.get(tensor);
  if (linear === undefined) return { storedAs: tensors.get(tensor)?.dtype ?? "", tensors: [tensor] };
  const storedAs = await linear.outline().then(describeWeight, (error: Error) => error.message);
  return { storedAs, tensors: linear.tensors };
}

async function inspectCheckpoint(folder: string, json: boolean): Promise<void> {
  const checkpoint = await openModelCheckpoint(folder);
  try {
    const description = describeModel(checkpoint.config, (name) => checkpoint.tensors.get(name)?.shape);
    const linears = await Promise.all(
      linearsOf(description).map(async (linear) => {
        const { storedAs, tensors } = await storage(linear.tensor, checkpoint);
        const bytes = tensors.map((tensor) => checkpoint.tensorsInFiles.get(tensor)?.bytes ?? 0);
        return { ...linear, storedAs, bytes: bytes.reduce((sum, each) => sum + each, 0) };
      }),
    );
    const weights = [...checkpoint.tensors.values()].reduce(
      (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
      0,
    );
    const bytes = [...checkpoint.tensorsInFiles.values()].reduce((sum, info) => sum + info.bytes, 0);
    const { modelType, kind, blocks, hiddenSize, vocabularySize, contextLength, head, embedding } =
      description;
    printResult(
      json,
      {
        modelType,
        kind,
        hiddenSize,
        vocabularySize,
        contextLength,
        blocks: blocks.length,
        parameters: weights,
        bytes,
        linears,
      },
      () =>
        [
          title(path.resolve(folder)),
          facts([
            ["family", `${modelType}, for ${heads[kind]}`],
            ["blocks", blocks.length],
            ["hidden size", hiddenSize],
            [
              "vocabulary",
              head
                ? `${vocabularySize}, head ${head.tensor === embedding ? "tied to the embedding" : "of its own"}`
                : vocabularySize,
            ],
            ["context", contextLength],
            [
              "parameters",
              `${countText(weights)} in ${checkpoint.tensors.size} tensors, ${bytesText(bytes)}`,
            ],
          ]),
          "",
          table(
            ["linear", "outputs × inputs", "stored as", "bytes", "bias"],
            linears.map((each) => [
              each.name,
              `${each.rows} × ${each.columns}`,
              each.storedAs,
              bytesText(each.bytes),
              each.bias ? "yes" : "",
            ]),
          ),
        ].join("\n"),
    );
  } finally {
    await checkpoint.close();
  }
}

function rangeText({ count, least, most }: NonNullable<LinearInspection["scales"]>): string {
  return `${count}, ${least.toPrecision(4)} … ${most.toPrecision(4)}`;
}

function linearText(found: LinearInspection): string {
  return [
    title(found.name),
    facts([
      ["scheme", found.scheme],
      ["outputs × inputs", found.shape.join(" × ")],
      ["bytes", `${bytesText(found.bytes)}, ${found.bitsPerWeight.toFixed(3)} bits per weight`],
      ["relative error", found.relativeError.toFixed(4)],
      [
        "input",
        found.rotation ? `${found.activation}, rotated in runs of ${found.rotation.size}` : found.activation,
      ],
      ...(found.bias
        ? [["own bias", `${found.bias.least.toPrecision(4)} to ${found.bias.most.toPrecision(4)}`] as const]
        : []),
      ...(found.scales ? [["scales", rangeText(found.scales)] as const] : []),
      ...found.packs.map(
        (pack) =>
          [`pack ${pack.target}`, `${bytesText(pack.bytes)}, ${JSON.stringify(pack.layout)}`] as const,
      ),
    ]),
    ...(found.codes.length > 0 ? ["", sharesText(found.codes)] : []),
  ].join("\n");
}

function sharesText(codes: LinearInspection["codes"]): string {
  return table(
    ["code", "share"],
    codes.map(({ code, share }) => [code, `${(100 * share).toFixed(2)} %`]),
  );
}
