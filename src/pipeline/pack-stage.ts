import { createHash } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { hashFile } from "../checkpoint/file-hash.js";
import { readHeader, writeSafetensors } from "../checkpoint/safetensors.js";
import { LuthierError } from "../error.js";
import { quantizingPart, type TargetChoice } from "../recipe/schema.js";
import type { PackedLinear } from "../targets/target.js";
import { type Manifest, manifestJson, manifestPath, type PackEntry, packFolder } from "./pack-files.js";
import { targetOf } from "./plan.js";
import type { OnProgress } from "./progress.js";
import {
  named,
  type QuantizedEntry,
  quantizedFolder,
  readQuantizedIndex,
  readScheme,
} from "./quantized-files.js";
import { writeRecord } from "./record.js";
import type { RunRecord } from "./run-directory.js";

/**
 * Writes the pack of one target from a run's schemes, one file a linear; what an earlier process finished stays.
 * @throws LuthierError when a linear does not fit the target: all of them are checked first.
 */
export async function writePack(
  run: string,
  record: RunRecord,
  choice: TargetChoice,
  onProgress: OnProgress,
): Promise<Manifest> {
  const { target, parameters } = targetOf(choice);
  const { linears } = await readQuantizedIndex(run);
  for (const { name, weight, activation } of linears) {
    const refused = target.refuse(weight, activation, parameters);
    if (refused)
      throw new LuthierError(`${name} does not fit ${target.name}: ${refused.reason}`, refused.fix, {
        usage: true,
      });
  }
  const folder = packFolder(run, target.name);
  await rm(manifestPath(folder), { force: true }); // a pack is whole when its manifest is there
  await mkdir(path.join(folder, "linears"), { recursive: true });
  const entries: PackEntry[] = [];
  for (const linear of linears) {
    onProgress({
      stage: `pack ${target.name}`,
      done: entries.length,
      total: linears.length,
      what: linear.name,
    });
    entries.push(await packLinear(run, folder, linear, (weight) => target.pack(weight, parameters)));
  }
  const manifest: Manifest = { target: target.name, parameters, source: sourceOf(record), linears: entries };
  await writeRecord(manifestPath(folder), manifestJson(manifest));
  onProgress({ stage: `pack ${target.name}`, done: linears.length, total: linears.length, what: "" });
  return manifest;
}

async function packLinear(
  run: string,
  folder: string,
  linear: QuantizedEntry,
  pack: (weight: Awaited<ReturnType<typeof readScheme>>) => PackedLinear,
): Promise<PackEntry> {
  const file = `linears/${linear.name}.safetensors`;
  const full = path.join(folder, file);
  const { name, weight, activation } = linear;
  const packed = pack(await readScheme(path.join(quantizedFolder(run), linear.file), weight));
  const facts = {
    format: "luthier-packed-linear",
    scheme: linear.sha256,
    layout: JSON.stringify(packed.layout),
  };
  const written =
    (await finished(full, facts)) ?? (await writeSafetensors(full, named(packed.tensors), facts));
  return { name, file, ...written, weight, activation, layout: packed.layout };
}

/** The facts of a file that an earlier process wrote from the same scheme with the same layout. */
async function finished(file: string, facts: Readonly<Record<string, string>>) {
  try {
    const { metadata } = await readHeader(file);
    const same = Object.entries(facts).every(([key, value]) => metadata[key] === value);
    return same ? await hashFile(file) : null;
  } catch (error) {
    if (error instanceof LuthierError) return null;
    throw error;
  }
}

function sourceOf({ recipe, inputs }: RunRecord): Manifest["source"] {
  return {
    recipe: createHash("sha256")
      .update(JSON.stringify(quantizingPart(recipe.resolved)))
      .digest("hex"),
    inputs: Object.fromEntries(inputs.map(({ name, sha256 }) => [name, sha256])),
  };
}
