import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { flushDirectory, makeFolder, type WrittenFile } from "../checkpoint/atomic.js";
import { hashFile } from "../checkpoint/file-hash.js";
import { hashSafetensors, type NamedTensor, writeSafetensors } from "../checkpoint/safetensors.js";
import { readVector } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import { openKernels } from "../kernels/open.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import { linearsOf } from "../model/architecture.js";
import { quantizingPart, type TargetChoice } from "../recipe/schema.js";
import type { Container, ModelToJudge } from "../targets/container.js";
import { type PackedLinear, type Place, type Refusal, refusalOf, type Target } from "../targets/target.js";
import { targetOf } from "./choices.js";
import { type DescribedRun, describeRun } from "./describe-run.js";
import { type Manifest, manifestJson, manifestPath, type PackEntry, packFolder } from "./pack-files.js";
import { placeOf } from "./place.js";
import { tokenizerFor } from "./plan.js";
import type { OnProgress } from "./progress.js";
import {
  named,
  type QuantizedEntry,
  quantizedFolder,
  readQuantizedIndex,
  readScheme,
} from "./quantized-files.js";
import { type FileEntry, writeRecord } from "./record.js";
import type { RunRecord } from "./run-directory.js";
import { weightedNormsFor } from "./weighted-norms.js";

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
  const described = await describeRun(run, linears);
  const kernels = openKernels({ path: "reference" }); // vectors of norms are short
  try {
    const placed = inTheirPlaces(linears, described.description);
    const tokenizer = await tokenizerFor([choice], quantizedFolder(run));
    const weightedNorms = await weightedNormsFor([choice], described.description, described.kept);
    const { config } = described;
    refuseMisfits(target, parameters, placed, { config, tokenizer, weightedNorms });
    const folder = packFolder(run, target.name);
    await makeFolder(folder);
    await rm(manifestPath(folder), { force: true }); // a pack is whole when its manifest is there
    await flushDirectory(folder); // and a power cut does not bring it back beside other files
    let done = 0;
    const jobs = placed.map(({ linear, info, place }): PackJob => {
      const { name, weight, activation, file } = linear;
      return {
        ...linear,
        async pack() {
          onProgress({ stage: `pack ${target.name}`, done: done++, total: linears.length, what: name });
          const scheme = await readScheme(path.join(quantizedFolder(run), file), weight);
          const norm = info.norm === null ? null : await readVector(described.kept, info.norm, kernels);
          return target.pack(scheme, parameters, { ...place, norm }, activation);
        },
      };
    });
    const written = target.container
      ? await writeContainer(run, described, folder, target.container, jobs, parameters)
      : await writeLinears(folder, jobs);
    const manifest: Manifest = { target: target.name, parameters, source: sourceOf(record), ...written };
    await writeRecord(manifestPath(folder), manifestJson(manifest));
    onProgress({ stage: `pack ${target.name}`, done: linears.length, total: linears.length, what: "" });
    return manifest;
  } finally {
    await described.kept.close();
  }
}

interface PlacedLinear {
  readonly linear: QuantizedEntry;
  readonly info: LinearInfo;
  readonly place: Place;
}

function inTheirPlaces(
  linears: readonly QuantizedEntry[],
  description: ModelDescription,
): readonly PlacedLinear[] {
  const infos = new Map(linearsOf(description).map((info) => [info.name, info]));
  return linears.map((linear) => {
    const info = infos.get(linear.name);
    if (info === undefined) {
      throw new LuthierError(
        `${linear.name} is quantized, but the run's configuration has no such linear`,
        "quantize again with --fresh",
      );
    }
    return { linear, info, place: placeOf(info, description, null) };
  });
}

/** @throws LuthierError when a linear or the model does not fit. */
function refuseMisfits(
  target: Target,
  parameters: object,
  placed: readonly PlacedLinear[],
  model: Omit<ModelToJudge, "quantized">,
): void {
  const misfit = (what: string, { reason, fix }: Refusal) =>
    new LuthierError(`${what} does not fit ${target.name}: ${reason}`, fix, { usage: true });
  for (const { linear, place } of placed) {
    const refused = refusalOf(target, linear, parameters, place);
    if (refused) throw misfit(linear.name, refused);
  }
  const quantized = placed.map(({ linear }) => linear);
  const refused = target.container?.refuse({ ...model, quantized }, parameters);
  if (refused) throw misfit("the model", refused);
}

type PackJob = QuantizedEntry & { pack(): Promise<PackedLinear> };
type Written = Pick<Manifest, "files" | "linears">;

/** The format's own files for the whole model. */
async function writeContainer(
  run: string,
  { config, kept }: DescribedRun,
  folder: string,
  container: Container,
  jobs: readonly PackJob[],
  parameters: object,
): Promise<Written> {
  const directory = quantizedFolder(run);
  const { files, linears } = await container.write(
    folder,
    { config, directory, kept, linears: jobs },
    parameters,
  );
  const written = new Map(linears.map((linear) => [linear.name, linear]));
  return {
    files: await Promise.all(
      files.map(async (file) => ({ file, ...(await hashFile(path.join(folder, file))) })),
    ),
    linears: jobs.map(({ name, weight, activation }) => {
      const found = written.get(name);
      if (found === undefined) throw new RangeError(`${name} was not written`);
      return { ...found, weight, activation };
    }),
  };
}

/** One file a linear. */
async function writeLinears(folder: string, jobs: readonly PackJob[]): Promise<Written> {
  await makeFolder(path.join(folder, "linears"));
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
    files.push({ file, ...(await writtenOnce(full, named(tensors), facts)) });
    const bytes = Object.values(tensors).reduce((sum, tensor) => sum + tensor.bytes.length, 0);
    linears.push({ name, file, bytes, weight, activation, layout });
  }
  return { files, linears };
}

/** Writes a file unless an earlier process has written it so, byte for byte. */
async function writtenOnce(
  file: string,
  tensors: readonly NamedTensor[],
  facts: Readonly<Record<string, string>>,
): Promise<WrittenFile> {
  const there = await hashFile(file).catch((error) => {
    if (error instanceof LuthierError) return null; // missing, or the disk lost it
    throw error;
  });
  if (there && isDeepStrictEqual(there, await hashSafetensors(tensors, facts))) return there;
  return writeSafetensors(file, tensors, facts);
}

function sourceOf({ recipe, inputs, calibration }: RunRecord): Manifest["source"] {
  return {
    recipe: createHash("sha256")
      .update(JSON.stringify(quantizingPart(recipe.resolved)))
      .digest("hex"),
    inputs: Object.fromEntries(inputs.map(({ name, sha256 }) => [name, sha256])),
    ...(calibration && { calibration: calibration.sha256 }),
  };
}
