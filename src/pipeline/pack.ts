import { LuthierError } from "../error.js";
import type { TargetChoice } from "../recipe/schema.js";
import { damagedFiles } from "./damaged-files.js";
import type { Manifest } from "./pack-files.js";
import { writePack } from "./pack-stage.js";
import type { OnProgress } from "./progress.js";
import { quantizedFolder, readQuantizedIndex } from "./quantized-files.js";
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

/**
 * Packs an existing run for one more target, or anew.
 * @throws LuthierError when a linear does not fit it, or the run is damaged: what is packed then would look sound.
 */
export async function packRun({ run, target, onProgress = () => {} }: PackOptions): Promise<Manifest> {
  await readRunRecord(run); // a folder that is no run is refused before anything is put there
  return withLock(run, async () => {
    const record = await readRunRecord(run);
    await expectSound(run, onProgress);
    const manifest = await writePack(run, record, target, onProgress);
    await sealIndexes(run, record);
    return manifest;
  });
}

async function expectSound(run: string, onProgress: OnProgress): Promise<void> {
  const { files, linears } = await readQuantizedIndex(run);
  const faults = await damagedFiles(quantizedFolder(run), [...files, ...linears], "check", onProgress);
  if (faults.length === 0) return;
  throw new LuthierError(
    `${run} has ${faults.length} damaged files: ${faults[0]}`,
    "run the same `luthier quantize` again: it makes them anew",
  );
}
