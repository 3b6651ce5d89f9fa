import { LuthierError } from "../error.js";
import type { Estimate } from "../pipeline/estimate-linears.js";
import { readRunRecord } from "../pipeline/run-directory.js";
import { defaultEstimates } from "./default-estimates.js";
import { type LinearHistograms, linearHistograms } from "./linear-histograms.js";
import { type SearchFile, searchBeside } from "./search-file.js";

/** What a page shows of a run besides its summary. */
export interface RunDetails {
  readonly histograms: LinearHistograms;
  /** Of the search that made the recipe; null where none did, or it was of other linears. */
  readonly search: SearchFile | null;
  readonly estimates: readonly Estimate[];
  /** What the page does not show, and why. */
  readonly leftOut: readonly string[];
}

/** Reads it from the run's folder and from where its record points. @throws LuthierError when the run is damaged. */
export async function runDetails(run: string): Promise<RunDetails> {
  const { recipe } = await readRunRecord(run);
  const histograms = await linearHistograms(run);
  const estimates = await defaultEstimates(run);
  const found = await searchBeside(recipe.name).catch(messageOf);
  const search = typeof found === "string" ? null : found;
  const leftOut = [
    ...(histograms.withoutCheckpoint === null
      ? []
      : [`Histograms are of quantized weights: ${histograms.withoutCheckpoint}.`]),
    ...(histograms.linears.some(({ inputs }) => inputs !== null)
      ? []
      : ["Histograms of inputs: no method of the recipe asked for their statistics."]),
    ...(search
      ? []
      : [
          typeof found === "string"
            ? `Sensitivities: ${found}.`
            : "Sensitivities: no search made the recipe.",
        ]),
    ...(estimates.length > 0
      ? []
      : ["Costs: no pack of a target with a cost model, or no shipped device that it is known to run on."]),
  ];
  return { histograms, search, estimates, leftOut };
}

function messageOf(error: unknown): string {
  if (error instanceof LuthierError) return error.message;
  throw error;
}
