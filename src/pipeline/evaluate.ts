import path from "node:path";
import { readText, type TextSource } from "../calibration/datasets.js";
import type { HubOptions } from "../checkpoint/hub.js";
import { openTokenizer } from "../checkpoint/tokenizer.js";
import { type Perplexity, perplexities } from "../evaluation/perplexity.js";
import { openOps } from "../model/ops.js";
import { type Engine, type OpenModel, type OpenModelOptions, openModelAt } from "./open-model.js";
import type { OnProgress } from "./progress.js";

export interface EvaluateOptions extends OpenModelOptions, TextOptions {}

interface TextOptions {
  readonly text: TextSource;
  /** Tokens a window; by default the model's context, at most 2,048 (the convention of published perplexities). */
  readonly context?: number;
  readonly hub?: HubOptions;
  readonly onProgress?: OnProgress;
}

export interface PerplexityResult extends Perplexity {
  readonly task: "perplexity";
  readonly engine: Engine;
  /** The pack's target; null on the float engine. */
  readonly target: string | null;
  readonly text: { readonly name: string; readonly split: string | null; readonly sha256: string };
  /** Of all models that were computed side by side, shared out evenly. */
  readonly seconds: number;
}

/** Perplexity of a checkpoint or a run on a text. @throws LuthierError when either is not in order. */
export async function evaluatePerplexity({
  path,
  engine,
  target,
  kernels,
  ...rest
}: EvaluateOptions): Promise<PerplexityResult> {
  const [found] = await evaluatePerplexities([{ path, engine, target, kernels }], rest);
  return found;
}

/** Perplexities of several models of one tokenizer, computed side by side; all are compared with the first. */
export async function evaluatePerplexities(
  subjects: readonly OpenModelOptions[],
  { text: textSource, context, hub, onProgress = () => {} }: TextOptions,
): Promise<readonly PerplexityResult[]> {
  const started = performance.now();
  const { text, ...source } = await readText(textSource, hub);
  const opened: OpenModel[] = [];
  const ops = openOps({ threads: subjects[0].kernels.threads });
  try {
    for (const subject of subjects) opened.push(await openModelAt({ ...subject, ops }));
    const [{ model, directory }] = opened;
    const tokenizer = await openTokenizer(directory);
    const stage = `perplexity of ${subjects.map((subject, at) => nameOf(subject, opened[at])).join(" | ")}`;
    const found = await perplexities(
      opened.map((each) => each.model),
      { tokens: tokenizer.encode(text), words: wordsOf(text), bytes: Buffer.byteLength(text) },
      {
        context: context ?? Math.min(model.description.contextLength, 2048),
        onProgress: (done, total) => onProgress({ stage, done, total, what: "windows" }),
      },
    );
    const seconds = (performance.now() - started) / 1000 / subjects.length;
    return found.map((each, at) => {
      const { engine } = subjects[at];
      return { task: "perplexity", engine, target: opened[at].target, text: source, ...each, seconds };
    });
  } finally {
    for (const each of opened) await each.close();
    await ops.close();
  }
}

function nameOf({ path: folder }: OpenModelOptions, { target }: OpenModel): string {
  return `${path.basename(folder)}, ${target ?? "float"}`;
}

/** Between blanks. */
function wordsOf(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length;
}
