import { createHash } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { hashFile } from "../checkpoint/file-hash.js";
import { readJsonObject } from "../checkpoint/json-file.js";
import { readHeader, writeSafetensors } from "../checkpoint/safetensors.js";
import { LuthierError } from "../error.js";
import { quantizingPart, type TargetChoice } from "../recipe/schema.js";
import type { Container } from "../targets/container.js";
import { type PackedLinear, refusalOf } from "../targets/target.js";
import { type Manifest, manifestJson, manifestPath, type PackEntry, packFolder } from "./pack-files.js";
import { targetOf } from "./plan.js";
import type { OnProgress } from "./progress.js";
import {
  named,
  openKept,
  type QuantizedEntry,
  quantizedFolder,
  readQuantizedIndex,
  readScheme,
} from "./quantized-files.js";
import { type FileEntry, writeRecord } from "./record.js";
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
    const refused = refusalOf(target, { weight, activation }, parameters);
    if (refused)
      throw new LuthierError(`${name} does not fit ${target.name}: ${refused.reason}`, refused.fix, {
        usage: true,
      });
  }
  const config = await readJsonObject(path.join(quantizedFolder(run), "config.json"));
  const names = linears.map(({ name }) => name);
  const refused = target.container?.refuse(config, names);
  if (refused) {
    throw new LuthierError(`the model does not fit ${target.name}: ${refused.reason}`, refused.fix, {
      usage: true,
    });
  }
  const folder = packFolder(run, target.name);
  await rm(manifestPath(folder), { force: true }); // a pack is whole when its manifest is there
  await mkdir(folder, { recursive: true });
  let done = 0;
  const jobs = linears.map((linear): PackJob => {
    const { name, weight, file } = linear;
    return {
      ...linear,
      async pack() {
        onProgress({ stage: `pack ${target.name}`, done: done++, total: linears.length, what: name });
        return target.pack(await readScheme(path.join(quantizedFolder(run), file), weight), parameters);
      },
    };
  });
  const written = target.container
    ? await writeContainer(run, config, folder, target.container, jobs, parameters)
    : await writeLinears(folder, jobs);
  const manifest: Manifest = { target: target.name, parameters, source: sourceOf(record), ...written };
  await writeRecord(manifestPath(folder), manifestJson(manifest));
  onProgress({ stage: `pack ${target.name}`, done: linears.length, total: linears.length, what: "" });
  return manifest;
}

type PackJob = QuantizedEntry & { pack(): Promise<PackedLinear> };
type Written = Pick<Manifest, "files" | "linears">;

/** The format's own files for the whole model. */
async function writeContainer(
  run: string,
  config: Readonly<Record<string, unknown>>,
  folder: string,
  container: Container,
  jobs: readonly PackJob[],
  parameters: object,
): Promise<Written> {
  const directory = quantizedFolder(run);
  const kept = await openKept(run);
  try {
    const { files, linears } = await container.write(
      folder,
      { config, directory, kept, linears: jobs },
      parameters,
    );
    const places = new Map(linears.map((linear) => [linear.name, linear]));
    return {
      files: await Promise.all(
        files.map(async (file) => ({ file, ...(await hashFile(path.join(folder, file))) })),
      ),
      linears: jobs.map(({ name, weight, activation }) => {
        const place = places.get(name);
        if (place === undefined) throw new RangeError(`${name} was not written`);
        return { ...place, weight, activation };
      }),
    };
  } finally {
    await kept.close();
  }
}

/** One file a linear. */
async function writeLinears(folder: string, jobs: readonly PackJob[]): Promise<Written> {
  await mkdir(path.join(folder, "linears"), { recursive: true });
  const files: FileEntry[] = [];
  const linears: PackEntry[] = [];
  for (const job of jobs) {
    const { name, weight, activation } = job;
    const file = `linears/${name}.safetensors`;
    const full = path.join(folder, file);
    const { layout, tensors } = await job.pack();
    const facts = {
      format: "luthier-packed-linear",
      scheme: job.sha256,
      layout: JSON.stringify(layout),
    };
    const written = (await finished(full, facts)) ?? (await writeSafetensors(full, named(tensors), facts));
    files.push({ file, ...written });
    const bytes = Object.values(tensors).reduce((sum, tensor) => sum + tensor.bytes.length, 0);
    linears.push({ name, file, bytes, weight, activation, layout });
  }
  return { files, linears };
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
