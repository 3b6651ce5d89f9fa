import path from "node:path";
import { LuthierError } from "../error.js";
import { distances } from "../evaluation/divergence.js";
import type { Kernels } from "../kernels/kernels.js";
import { isRun, openModelAt } from "../pipeline/open-model.js";
import type { OnProgress } from "../pipeline/progress.js";
import { quantize } from "../pipeline/quantize.js";
import { readQuantizedIndex } from "../pipeline/quantized-files.js";
import { loadRecipe } from "../recipe/shipped.js";
import { storedBytes } from "../schemes/weights.js";

/** A run or recipe of the user's, measured as the search measures. */
export interface Compared {
  readonly name: string;
  readonly bitsPerWeight: number;
  readonly bytes: number;
  readonly divergence: number;
}

export interface CompareOptions {
  /** The checkpoint's folder. */
  readonly model: string;
  /** Runs' folders, recipes' names or files. */
  readonly compare: readonly string[];
  /** The search's folder: recipes are run in it. */
  readonly out: string;
  /** The text that is probed. */
  readonly windows: readonly Int32Array[];
  readonly kernels: Kernels;
  readonly onProgress: OnProgress;
}

/**
 * The divergence of each run from its checkpoint; a recipe is run first, in `compared/<name>` of the search's folder.
 * @throws LuthierError when one is of another model.
 */
export async function compareRuns(options: CompareOptions): Promise<readonly Compared[]> {
  const { model, compare, windows, kernels, onProgress } = options;
  if (compare.length === 0) return [];
  const float = await openModelAt({ path: model, engine: "float", kernels });
  try {
    const reference = await float.model.beforeHead(windows);
    const compared: Compared[] = [];
    for (const [at, runOrRecipe] of compare.entries()) {
      const run = await runOf(runOrRecipe, options);
      onProgress({ stage: "compare", done: at, total: compare.length, what: runOrRecipe });
      const opened = await openModelAt({ path: run, engine: "float", kernels });
      try {
        expectSame(float.model.description, opened.model.description, runOrRecipe);
        const { hidden, parts } = await opened.model.beforeHead(windows);
        const [{ divergence }] = await distances(reference, [hidden], parts);
        compared.push({ name: nameOf(runOrRecipe), ...(await sizeOf(run)), divergence });
      } finally {
        await opened.close();
      }
    }
    onProgress({ stage: "compare", done: compare.length, total: compare.length, what: "" });
    return compared;
  } finally {
    await float.close();
  }
}

async function runOf(runOrRecipe: string, options: CompareOptions): Promise<string> {
  if (await isRun(runOrRecipe)) return runOrRecipe;
  const recipe = await loadRecipe(runOrRecipe);
  const run = path.join(options.out, "compared", nameOf(runOrRecipe));
  await quantize({ ...options, recipe, out: run });
  return run;
}

function nameOf(runOrRecipe: string): string {
  return path.basename(path.resolve(runOrRecipe)).replace(/\.ya?ml$/, "");
}

async function sizeOf(run: string) {
  const { linears } = await readQuantizedIndex(run);
  const bytes = linears.reduce((sum, { weight }) => sum + storedBytes(weight), 0);
  const weights = linears.reduce((sum, { weight }) => sum + weight.rows * weight.columns, 0);
  return { bytes, bitsPerWeight: (8 * bytes) / weights };
}

function expectSame(
  a: { readonly hiddenSize: number; readonly vocabularySize: number; readonly blocks: readonly unknown[] },
  b: typeof a,
  name: string,
): void {
  const same =
    a.hiddenSize === b.hiddenSize &&
    a.vocabularySize === b.vocabularySize &&
    a.blocks.length === b.blocks.length;
  if (same) return;
  throw new LuthierError(`${name} is a run of another model`, "leave it out of --compare", { usage: true });
}
