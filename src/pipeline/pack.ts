import type { TargetChoice } from "../recipe/schema.js";
import type { Manifest } from "./pack-files.js";
import { writePack } from "./pack-stage.js";
import type { OnProgress } from "./progress.js";
import { readRunRecord } from "./run-directory.js";
import { withLock } from "./run-lock.js";
import { sealIndexes } from "./seal.js";

export interface PackOptions {
  /** A run's folder. */
  readonly run: string;
  /** The target's name and all its parameters, as its schema fills them in. */
  readonly target: TargetChoice;
  readonly onProgress?: OnProgress;
}

/** Packs an existing run for one more target, or anew. @throws LuthierError when a linear does not fit it. */
export async function packRun({ run, target, onProgress = () => {} }: PackOptions): Promise<Manifest> {
  await readRunRecord(run); // a folder that is no run is refused before anything is put there
  return withLock(run, async () => {
    const record = await readRunRecord(run);
    const manifest = await writePack(run, record, target, onProgress);
    await sealIndexes(run, record);
    return manifest;
  });
}
