import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { fileError, isMissing } from "../checkpoint/file-error.js";
import { LuthierError } from "../error.js";
import { quantizingPart, recipeSchema } from "../recipe/schema.js";
import type { LoadedRecipe } from "../recipe/shipped.js";
import { type StatedFile, statedFile } from "./input-files.js";
import { partText } from "./part.js";
import { readRecord, writeRecord } from "./record.js";
import type { RunRecord } from "./run-directory.js";

/*
 * `parts/<i>-of-<n>.json` says what a part has made, and of what. The checkpoint's files stand there by their sizes and times:
 * so no part has to read all of a large checkpoint, only the process that merges them hashes it.
 */

const partRecord = z.strictObject({
  format: z.literal("luthier-part"),
  version: z.literal(1),
  part: z.strictObject({ index: z.int().positive(), count: z.int().positive() }),
  versions: z.record(z.string(), z.string()),
  /** The checkpoint's folder and the recipe's file, absolute. */
  model: z.string(),
  recipe: z.strictObject({ name: z.string(), file: z.string(), resolved: recipeSchema }),
  inputs: z.array(statedFile),
  /** Names of the linears that the part makes. */
  linears: z.array(z.string()),
  seconds: z.number(),
  peakMemoryBytes: z.number(),
  state: z.enum(["running", "done"]),
});

export type PartRecord = z.infer<typeof partRecord>;

function partsFolder(run: string): string {
  return path.join(run, "parts");
}

/** In the order of their counts and numbers; none where the run was never in parts. @throws LuthierError when one is damaged. */
export async function readPartRecords(run: string): Promise<readonly PartRecord[]> {
  const records: PartRecord[] = [];
  for (const name of await partFiles(run)) {
    const file = path.join(partsFolder(run), name);
    const record = await readRecord(file, partRecord, "delete it and run that part again");
    if (record) records.push(record);
  }
  return records.sort((a, b) => a.part.count - b.part.count || a.part.index - b.part.index);
}

async function partFiles(run: string): Promise<readonly string[]> {
  const folder = partsFolder(run);
  try {
    return (await readdir(folder)).filter((name) => /^\d+-of-\d+\.json$/.test(name));
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError("read", folder, error);
  }
}

export async function writePartRecord(run: string, record: PartRecord): Promise<void> {
  const { index, count } = record.part;
  await writeRecord(path.join(partsFolder(run), `${index}-of-${count}.json`), record);
}

/** What parts recorded stands in the run's record once they are merged. */
export async function deletePartRecords(run: string): Promise<void> {
  await rm(partsFolder(run), { recursive: true, force: true });
}

/** The time and memory of parts that are done, as stages of the run. */
export function stagesOf(records: readonly PartRecord[]): RunRecord["stages"] {
  return records
    .filter(({ state }) => state === "done")
    .map(({ part, seconds, peakMemoryBytes }) => ({
      name: `quantize ${partText(part)}`,
      ...{ seconds, peakMemoryBytes },
    }));
}

/** What a run in parts is of. */
export interface PartSource extends Pick<PartRecord, "versions" | "inputs"> {
  readonly recipe: Pick<LoadedRecipe, "recipe">;
}

/**
 * What was made earlier into a run's folder must be of the same checkpoint, rules and version.
 * @throws LuthierError (usage) saying what differs.
 */
export function expectSameSource(
  out: string,
  earlier: readonly (PartRecord | RunRecord)[],
  { versions, inputs, recipe }: PartSource,
): void {
  for (const each of earlier) {
    const whose = "part" in each ? `part ${partText(each.part)} of a run` : "a run";
    const refused = (what: string, fix = "choose another folder with --out, or delete that run") =>
      new LuthierError(`${out} holds ${whose} of ${what}`, fix, { usage: true });
    if (!isDeepStrictEqual(each.inputs.map(outside), inputs.map(outside)))
      throw refused(
        `another model (${each.model}), or its files have other sizes or times now`,
        "give all parts one checkpoint on the shared file system (or copies that keep times: cp -p), or choose another folder with --out",
      );
    if (!isDeepStrictEqual(rulesOf(each.recipe.resolved), rulesOf(recipe.recipe)))
      throw refused(`another recipe (${each.recipe.name})`);
    if (each.versions.luthier !== versions.luthier)
      throw refused(`another version of luthier (${each.versions.luthier})`);
  }
}

/** A file's name, size and time, and not its hash. */
function outside({ name, bytes, modifiedMs }: StatedFile) {
  return { name, bytes, modifiedMs };
}

/** As a record has them: without what JSON leaves out. */
function rulesOf(recipe: LoadedRecipe["recipe"]): unknown {
  return JSON.parse(JSON.stringify(quantizingPart(recipe)));
}
