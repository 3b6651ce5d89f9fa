import path from "node:path";
import { describeRun } from "../pipeline/describe-run.js";
import { packedTargets, packFolder, readManifest } from "../pipeline/pack-files.js";
import {
  type QuantizedEntry,
  quantizedFolder,
  readQuantizedIndex,
  readScheme,
} from "../pipeline/quantized-files.js";
import { readRunRecord } from "../pipeline/run-directory.js";
import { ruleFor } from "../recipe/match.js";
import { isStored, type Recipe } from "../recipe/schema.js";
import { dequantize, describeWeight, storedBytes } from "../schemes/weights.js";
import { type PartSize, partSizes } from "./part-sizes.js";
import { type Provenance, provenanceOf } from "./provenance.js";
import type { Score } from "./score.js";

/** What a run came to, in plain data: `reports/report.json`, and what tables are made from. */
export interface RunSummary {
  readonly run: string;
  readonly model: string;
  readonly recipe: string;
  /** What its plan says besides tables. */
  readonly notes: readonly string[];
  readonly provenance: Provenance;
  readonly linears: readonly LinearSummary[];
  /** Weights of quantized linears. */
  readonly quantizedWeights: number;
  /** Stored bytes of their schemes, and bits a weight. */
  readonly quantizedBytes: number;
  readonly quantizedBitsPerWeight: number;
  /** The whole model's, kept tensors included. */
  readonly parts: readonly PartSize[];
  readonly packs: readonly PackSummary[];
  readonly scores: readonly Score[];
  readonly stages: readonly {
    readonly name: string;
    readonly seconds: number;
    readonly peakMemoryBytes: number;
  }[];
}

export interface LinearSummary {
  readonly name: string;
  /** `[N, K]`. */
  readonly shape: readonly [number, number];
  readonly scheme: string;
  readonly bytes: number;
  /** `‖W − Ŵ‖ / ‖W‖`. */
  readonly relativeError: number;
  /**
   * What a method hardly means to do: a weight left as it was, or zeros made of it. Both can be right, as with weights that
   * are ternary already; null where neither is so, or the scheme is the checkpoint's own.
   */
  readonly oddity: Oddity | null;
  /** Tokens of the calibration text that reached it, of an expert's that was fitted to it; null of all others. */
  readonly tokens: number | null;
}

export type Oddity = "unchanged" | "zeros";

export interface PackSummary {
  readonly target: string;
  readonly bytes: number;
  readonly bitsPerWeight: number;
}

/** Reads a run's files and adds scores to what they say. @throws LuthierError when the run is not whole. */
export async function summarizeRun(run: string, scores: readonly Score[] = []): Promise<RunSummary> {
  const record = await readRunRecord(run);
  const { linears } = await readQuantizedIndex(run);
  const summaries: LinearSummary[] = [];
  for (const entry of linears) summaries.push(await summaryOf(run, entry, record.recipe.resolved));
  const weights = linears.reduce((sum, { weight }) => sum + weight.rows * weight.columns, 0);
  const bytes = summaries.reduce((sum, each) => sum + each.bytes, 0);
  const packs: PackSummary[] = [];
  for (const target of await packedTargets(run)) {
    const manifest = await readManifest(packFolder(run, target));
    const packBytes = manifest.linears.reduce((sum, entry) => sum + entry.bytes, 0);
    packs.push({ target, bytes: packBytes, bitsPerWeight: (packBytes * 8) / weights });
  }
  return {
    run,
    model: record.model,
    recipe: record.recipe.name,
    notes: record.notes ?? [],
    provenance: provenanceOf(record),
    linears: summaries,
    quantizedWeights: weights,
    quantizedBytes: bytes,
    quantizedBitsPerWeight: weights === 0 ? 0 : (bytes * 8) / weights,
    parts: await partsOf(run, linears, summaries),
    packs,
    scores,
    stages: record.stages,
  };
}

async function partsOf(run: string, entries: readonly QuantizedEntry[], linears: readonly LinearSummary[]) {
  const described = await describeRun(run, entries);
  try {
    return partSizes(described, linears);
  } finally {
    await described.kept.close();
  }
}

async function summaryOf(run: string, entry: QuantizedEntry, recipe: Recipe): Promise<LinearSummary> {
  const { name, weight, bias, relativeError } = entry;
  return {
    name,
    shape: [weight.rows, weight.columns],
    scheme: `${describeWeight(weight)}${bias ? ", own bias" : ""}`,
    bytes: storedBytes(weight) + (bias ? 4 * weight.rows : 0),
    relativeError,
    oddity: await oddityOf(run, entry, recipe),
    tokens: entry.tokens ?? null,
  };
}

async function oddityOf(
  run: string,
  { name, file, weight, relativeError }: QuantizedEntry,
  { rules }: Recipe,
): Promise<Oddity | null> {
  if (isStored(rules[ruleFor(name, rules)]?.quantize)) return null;
  if (relativeError === 0) return "unchanged";
  if (relativeError !== 1) return null; // zeros are as far from the weight as it is long
  const { data } = dequantize(await readScheme(path.join(quantizedFolder(run), file), weight));
  return data.every((value) => value === 0) ? "zeros" : null;
}

/** Names of the linears with an oddity. */
export function oddLinears({ linears }: Pick<RunSummary, "linears">, oddity: Oddity): readonly string[] {
  return linears.filter((each) => each.oddity === oddity).map(({ name }) => name);
}
