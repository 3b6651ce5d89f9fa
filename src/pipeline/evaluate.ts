import path from "node:path";
import { readText, type TextSource } from "../calibration/datasets.js";
import type { HubOptions } from "../checkpoint/hub.js";
import { openTokenizer } from "../checkpoint/tokenizer.js";
import { type Perplexity, perplexity } from "../evaluation/perplexity.js";
import { type Engine, type OpenModelOptions, openModelAt } from "./open-model.js";
import type { OnProgress } from "./progress.js";

export interface EvaluateOptions extends OpenModelOptions {
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
  readonly seconds: number;
}

/** Perplexity of a checkpoint or a run on a text. @throws LuthierError when either is not in order. */
export async function evaluatePerplexity(options: EvaluateOptions): Promise<PerplexityResult> {
  const { onProgress = () => {} } = options;
  const started = performance.now();
  const { text, ...source } = await readText(options.text, options.hub);
  const { model, directory, target, close } = await openModelAt(options);
  try {
    const tokenizer = await openTokenizer(directory);
    const context = options.context ?? Math.min(model.description.contextLength, 2048);
    const stage = `perplexity of ${path.basename(options.path)}, ${target ?? "float"}`;
    const measured = await perplexity(model, tokenizer.encode(text), {
      context,
      onProgress: (done, total) => onProgress({ stage, done, total, what: "" }),
    });
    const seconds = (performance.now() - started) / 1000;
    return { task: "perplexity", engine: options.engine, target, text: source, ...measured, seconds };
  } finally {
    await close();
  }
}
