import { createHash } from "node:crypto";
import path from "node:path";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { causalHead } from "../model/architecture.js";
import { batchesOf } from "../model/batches.js";
import { openModelCheckpoint } from "../model/open-checkpoint.js";
import { type CalibrationText, calibrationText } from "../pipeline/calibration-text.js";
import { hashInputs } from "../pipeline/input-files.js";
import { describeCheckpoint } from "../pipeline/plan-checkpoint.js";
import type { OnProgress } from "../pipeline/progress.js";
import { planModel } from "../pipeline/quantize.js";
import { withLock } from "../pipeline/run-lock.js";
import { versions } from "../pipeline/versions.js";
import type { CalibrationChoice, Quantizing } from "../recipe/schema.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import type { Budget } from "./budget.js";
import {
  type Candidate,
  defaultCandidates,
  fittingCandidates,
  isFittedToText,
  type SearchedLinear,
  type SearchTarget,
} from "./candidates.js";
import { type Compared, compareRuns } from "./compare.js";
import { openFloatBlocks } from "./float-blocks.js";
import { measureDivergences } from "./measure-divergences.js";
import { type MeasureOptions, measureSensitivities } from "./measure-sensitivities.js";
import {
  assignmentOf,
  chooseWithin,
  expectAffordable,
  frontierOf,
  type Scored,
  type ScoredLinear,
  scoreLinears,
  scoreOf,
  uniformChoices,
} from "./scores.js";
import { plainRecipe, type RecipeFrame, writeRecipe } from "./write-recipe.js";

export interface SearchOptions {
  /** A checkpoint's folder. */
  readonly model: string;
  /** The folder of the result. */
  readonly out: string;
  readonly budget: Budget;
  /** What to choose from; by default the typical methods, or what the target takes of them. */
  readonly candidates?: readonly Quantizing[];
  readonly target?: SearchTarget;
  /** The text; a file by its absolute path. 16,384 tokens of it where `samples` are not given. */
  readonly calibration: CalibrationChoice;
  /** Runs' folders, recipes' names or files, to be shown beside the result. */
  readonly compare?: readonly string[];
  readonly kernels: Kernels;
  readonly onProgress?: OnProgress;
}

/** What a search found, and what that rests on. */
export interface SearchResult {
  readonly model: string;
  readonly budget: Budget;
  readonly target: SearchTarget["choice"] | null;
  readonly device: string | null;
  readonly text: CalibrationText["source"] & { readonly probedTokens: number };
  /** `bound`: no choice within the budget has less predicted loss. */
  readonly found: Measured & { readonly bound: number };
  /** `chosen` is the place of the one that was chosen. */
  readonly linears: readonly (ScoredLinear & { readonly chosen: number })[];
  /** The best choices of their own costs, by predicted loss. */
  readonly frontier: readonly Scored[];
  /** One candidate for all linears, of those that fit all. */
  readonly uniform: readonly (Measured & { readonly candidate: Candidate })[];
  readonly compared: readonly Compared[];
  /** The recipe's file. */
  readonly recipe: string;
}

export interface Measured extends Scored {
  /** Measured, with every linear as it was for the prediction: what the predicted losses should sum up to. */
  readonly divergence: number;
}

/** Of the calibration text, where nothing is said. */
const tokensByDefault = 16384;

/** Of these, what errors and divergences are measured on, at most; methods are fitted to the others. */
const probedTokens = 4096;

/**
 * Finds what every linear in the model's blocks should become so that the predicted loss is least within the budget, and
 * writes the recipe. What is measured is kept in the folder: another budget for the same model, text and candidates takes
 * seconds.
 *
 * @throws LuthierError when the budget is too small, no candidate fits a linear, or model or text are not in order.
 */
export async function search(options: SearchOptions): Promise<SearchResult> {
  const { target = null, onProgress = () => {} } = options;
  const checkpoint = await openModelCheckpoint(options.model);
  try {
    const description = describeCheckpoint(checkpoint);
    const quantizings = options.candidates ?? defaultCandidates(description, target?.choice ?? null);
    const searched = fittingCandidates(description, quantizings, target);
    expectAffordable(searched, options.budget);
    const { directory } = checkpoint;
    const { calibration, out: folder } = options;
    const text = await calibrationText({ calibration, folder, directory, description, tokensByDefault });
    const frame: RecipeFrame = {
      ...{ seed: recipeSeed, folder: options.out, head: causalHead(description).name },
      calibration: { ...calibration, samples: text.source.windows, length: text.source.length },
      target: target?.choice ?? null,
    };
    const anyChoice = searched.map(() => 0);
    // What a target refuses of whole models is to be known before anything is measured.
    await planModel(
      options.model,
      plainRecipe(assignmentOf(searched, anyChoice), frame, recipeFile(options)),
    );
    const probed = probedWindows(text.windows);
    const blocks = openFloatBlocks(checkpoint, description, options.kernels);
    try {
      const measuring: MeasureOptions = {
        ...{ blocks, searched, onProgress, kernels: options.kernels, folder: options.out },
        ...textParts(searched, text.windows, probed),
        seed: recipeSeed,
        madeFrom: await hashOfSources(checkpoint, text, probed.length, onProgress),
      };
      return await withLock(options.out, async () => {
        const scored = scoreLinears(searched, await measureSensitivities(measuring));
        return choose(options, measuring, scored, frame, { ...text, probed });
      });
    } finally {
      await blocks.close();
    }
  } finally {
    await checkpoint.close();
  }
}

/** Of the recipe that is written, and so of what is measured. */
const recipeSeed = 0;

/** Allocates, measures what was found and its rivals, and writes the recipe. */
async function choose(
  options: SearchOptions,
  measuring: MeasureOptions,
  linears: readonly ScoredLinear[],
  frame: RecipeFrame,
  { source, probed }: CalibrationText & { readonly probed: readonly Int32Array[] },
): Promise<SearchResult> {
  const { model, out, budget, target = null, compare = [], kernels } = options;
  const { searched, onProgress } = measuring;
  const { chosen, bound } = chooseWithin(linears, budget);
  const uniform = uniformChoices(searched);
  const assignments = [chosen, ...uniform].map((choice) => assignmentOf(searched, choice));
  const [divergence, ...ofUniform] = await measureDivergences(measuring, assignments);
  const compared = await compareRuns({ model, compare, out, windows: probed, kernels, onProgress });
  const result: SearchResult = {
    model: path.basename(path.resolve(model)),
    ...{ budget, target: target?.choice ?? null, device: target?.device?.name ?? null },
    text: { ...source, probedTokens: probed.length * source.length },
    found: { ...scoreOf(linears, chosen), bound, divergence },
    linears: linears.map((each, at) => ({ ...each, chosen: chosen[at] })),
    frontier: frontierOf(linears, budget),
    uniform: uniform.map((choice, at) => ({
      candidate: searched[0].candidates[choice[0]],
      ...scoreOf(linears, choice),
      divergence: ofUniform[at],
    })),
    compared,
    recipe: recipeFile(options),
  };
  await writeRecipe(result, assignmentOf(searched, chosen), frame);
  return result;
}

function recipeFile({ out }: SearchOptions): string {
  return path.join(out, "recipe.yaml");
}

/** A quarter of the windows, evenly spread. What is fitted to text is fitted to the others, or it would seem too good. */
function probedWindows(windows: readonly Int32Array[]): readonly Int32Array[] {
  const most = Math.max(1, Math.floor(probedTokens / windows[0].length));
  const count = Math.min(most, Math.ceil(windows.length / 4));
  return Array.from({ length: count }, (_, i) => windows[Math.floor((i * windows.length) / count)]);
}

/**
 * The probed windows come first; the others are needed only where something is fitted to text.
 * @throws LuthierError (usage) when there are none then.
 */
function textParts(
  searched: readonly SearchedLinear[],
  windows: readonly Int32Array[],
  probed: readonly Int32Array[],
): Pick<MeasureOptions, "batches" | "probed"> {
  const isFitted = searched.some(({ candidates }) => candidates.some(isFittedToText));
  const others = isFitted ? windows.filter((window) => !probed.includes(window)) : [];
  if (isFitted && others.length === 0) {
    throw new LuthierError(
      "the text is one window: there is none to measure on that nothing was fitted to",
      "give a longer text, or a smaller --length",
      { usage: true },
    );
  }
  const first = batchesOf(probed);
  return { batches: [...first, ...batchesOf(others)], probed: first.length };
}

/** What measurements follow from besides a linear and its candidate. */
async function hashOfSources(
  checkpoint: DequantizedCheckpoint,
  { source }: CalibrationText,
  probed: number,
  onProgress: OnProgress,
): Promise<string> {
  const files = await hashInputs(checkpoint, [], onProgress);
  const model = files.map(({ name, sha256 }) => [name, sha256]);
  const { sha256, windows, length } = source;
  const made = { versions: versions(), model, text: { sha256, windows, length, probed }, seed: recipeSeed };
  return createHash("sha256").update(JSON.stringify(made)).digest("hex");
}
