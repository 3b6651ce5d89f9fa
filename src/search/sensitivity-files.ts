import path from "node:path";
import { z } from "zod";
import { LuthierError } from "../error.js";
import { readRecord, writeRecord } from "../pipeline/record.js";

/*
 * What a search has measured, kept so that it is not measured again:
 *
 *   sensitivities/block-000.json    errors and divergences of the candidates of a block's linears
 *   divergences.json                divergences of whole recipes
 *
 * Each names the hash of all that it follows from; what follows from something else counts as not measured.
 */

const finite = z.number().min(0);
const measured = z.strictObject({
  /** `key` of the candidate. */
  candidate: z.string(),
  /** ‖X(Ŵ − W)ᵀ‖² / ‖XWᵀ‖² on the probed text. */
  error: finite,
  /** Of the model with this linear so and all others float; null where it was not probed. */
  divergence: finite.nullable(),
});

export type Measured = z.infer<typeof measured>;

/** By the linear's name. */
export type Sensitivities = Readonly<Record<string, readonly Measured[]>>;

const blockFile = z.strictObject({
  format: z.literal("luthier-sensitivities"),
  version: z.literal(1),
  madeFrom: z.string(),
  linears: z.record(z.string(), z.array(measured)),
});

const divergencesFile = z.strictObject({
  format: z.literal("luthier-divergences"),
  version: z.literal(1),
  madeFrom: z.string(),
  /** By the sha256 of what every linear becomes. */
  divergences: z.record(z.string(), finite),
});

/** Nothing when no earlier search wrote it, or from something else; nor when it is damaged: it is measured again then. */
export async function readSensitivities(
  folder: string,
  block: number,
  madeFrom: string,
): Promise<Sensitivities> {
  const found = await soundRecord(blockPath(folder, block), blockFile);
  return found?.madeFrom === madeFrom ? found.linears : {};
}

export async function writeSensitivities(
  folder: string,
  block: number,
  madeFrom: string,
  linears: Sensitivities,
): Promise<void> {
  const head = { format: "luthier-sensitivities", version: 1, madeFrom };
  await writeRecord(blockPath(folder, block), { ...head, linears });
}

/** By the sha256 of the recipe. As `readSensitivities`. */
export async function readDivergences(
  folder: string,
  madeFrom: string,
): Promise<Readonly<Record<string, number>>> {
  const found = await soundRecord(divergencesPath(folder), divergencesFile);
  return found?.madeFrom === madeFrom ? found.divergences : {};
}

export async function writeDivergences(
  folder: string,
  madeFrom: string,
  divergences: Readonly<Record<string, number>>,
): Promise<void> {
  const head = { format: "luthier-divergences", version: 1, madeFrom };
  await writeRecord(divergencesPath(folder), { ...head, divergences });
}

async function soundRecord<T>(file: string, schema: z.ZodType<T>): Promise<T | null> {
  return readRecord(file, schema, "delete it").catch((error) => {
    if (error instanceof LuthierError) return null;
    throw error;
  });
}

function blockPath(folder: string, block: number): string {
  return path.join(folder, "sensitivities", `block-${String(block).padStart(3, "0")}.json`);
}

function divergencesPath(folder: string): string {
  return path.join(folder, "divergences.json");
}
