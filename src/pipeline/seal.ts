import path from "node:path";
import { isMissing } from "../checkpoint/file-error.js";
import { hashFile } from "../checkpoint/file-hash.js";
import { LuthierError } from "../error.js";
import { manifestPath, packedTargets, packFolder } from "./pack-files.js";
import { indexPath } from "./quantized-files.js";
import { type RunRecord, writeRunRecord } from "./run-directory.js";

/*
 * The indexes of a run hold the sha256 of every other file; run.json holds those of the indexes. So no byte of
 * `quantized/` or `packs/` can change unnoticed.
 */

/** Writes the record with the sha256 of every index that is there now. */
export async function sealIndexes(run: string, record: RunRecord): Promise<RunRecord> {
  const sealed = { ...record, indexes: await indexHashes(run) };
  await writeRunRecord(run, sealed);
  return sealed;
}

/** Indexes that are not as they were sealed, or not there any more. */
export async function brokenSeals(run: string, { indexes }: RunRecord): Promise<readonly string[]> {
  const faults: string[] = [];
  const found = await indexHashes(run);
  for (const [index, sha256] of Object.entries(found)) {
    if (indexes[index] === sha256) continue;
    const recorded = indexes[index] ?? "none: the process that wrote it was stopped; run it again";
    faults.push(`${path.join(run, index)}: its sha256 is ${sha256}, recorded in run.json is ${recorded}`);
  }
  for (const index of Object.keys(indexes)) {
    if (!(index in found)) faults.push(`${path.join(run, index)}: is missing, recorded in run.json`);
  }
  return faults;
}

/** sha256 by path inside the run, with forward slashes. */
async function indexHashes(run: string): Promise<Record<string, string>> {
  const targets = await packedTargets(run);
  const files = [indexPath(run), ...targets.map((target) => manifestPath(packFolder(run, target)))];
  const entries: [string, string][] = [];
  for (const file of files) {
    const inside = path.relative(run, file).split(path.sep).join("/");
    const found = await hashFile(file).catch((error) => {
      if (error instanceof LuthierError && isMissing(error.cause)) return null;
      throw error;
    });
    if (found) entries.push([inside, found.sha256]);
  }
  return Object.fromEntries(entries);
}
