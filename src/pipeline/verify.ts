import { readdir } from "node:fs/promises";
import path from "node:path";
import type { Kernels } from "../kernels/kernels.js";
import { openKernels } from "../kernels/open.js";
import type { WeightScheme } from "../schemes/scheme.js";
import { weightTensors } from "../schemes/weights.js";
import { findTarget } from "../targets/registry.js";
import type { PackedLinear, Target } from "../targets/target.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { asFault, damagedFiles } from "./damaged-files.js";
import {
  type Manifest,
  manifestPath,
  openPack,
  packedTargets,
  packFolder,
  readManifest,
} from "./pack-files.js";
import type { OnProgress } from "./progress.js";
import {
  type QuantizedIndex,
  quantizedFolder,
  readQuantizedIndex,
  readScheme,
  readSchemeFacts,
} from "./quantized-files.js";
import { type RunRecord, readRunRecord } from "./run-directory.js";
import { brokenSeals } from "./seal.js";

export interface Verification {
  /** Sound or not; of a run whose quantizing was stopped, the linears that it has finished. */
  readonly files: number;
  readonly packedLinears: number;
  /** Kernel paths that were held against the reference. */
  readonly paths: readonly string[];
  /** What is wrong, each with the file it is in; empty when all is well. */
  readonly faults: readonly string[];
}

/**
 * Checks a run from its files alone: that it was finished, every size and sha256, that each pack's bytes unpack to the scheme they were made
 * from, and that the engine computes the same bits natively as by the reference.
 */
export async function verifyRun(
  run: string,
  kernels: Kernels,
  onProgress: OnProgress = () => {},
): Promise<Verification> {
  const record = await readRunRecord(run);
  const folder = quantizedFolder(run);
  const faults = [...unfinished(run, record), ...(await brokenSeals(run, record))];
  const index = await readQuantizedIndex(run).catch((error) => {
    faults.push(...asFault(error));
    return null;
  });
  if (index === null) {
    const { sound, damaged } = await stoppedSchemes(folder, onProgress);
    return { files: sound, packedLinears: 0, paths: [], faults: [...faults, ...damaged] };
  }
  const quantizedFiles = [...index.files, ...index.linears];
  faults.push(...(await damagedFiles(folder, quantizedFiles, "verify quantized", onProgress)));
  let files = quantizedFiles.length;
  let packedLinears = 0;
  for (const name of await packedTargets(run)) {
    const manifest = await readManifest(packFolder(run, name)).catch((error) => {
      faults.push(...asFault(error));
      return null;
    });
    if (manifest === null) continue;
    faults.push(...(await packFaults(run, name, manifest, index, kernels, onProgress)));
    files += manifest.files.length;
    packedLinears += manifest.linears.length;
  }
  return { files, packedLinears, paths: kernels.native ? [kernels.path] : [], faults: [...new Set(faults)] };
}

/** A run that a process has begun and none has ended. */
function unfinished(run: string, { state, stages }: RunRecord): readonly string[] {
  if (state === "done") return [];
  const done = stages.map(({ name }) => name).join(", ") || "none";
  return [
    `${run}: the run is not finished (stages that are: ${done}); the same \`luthier quantize\` goes on`,
  ];
}

/** Of linears that no index names yet: those that the next process takes as finished, and those that it makes again. */
async function stoppedSchemes(folder: string, onProgress: OnProgress) {
  const names = await readdir(path.join(folder, "linears")).catch(() => []);
  const files = names.filter((name) => !name.startsWith(".")).sort();
  const damaged: string[] = [];
  for (const [done, name] of files.entries()) {
    onProgress({ stage: "verify quantized", done, total: files.length, what: name });
    const file = path.join(folder, "linears", name);
    await readSchemeFacts(file).catch((error) => damaged.push(...asFault(error)));
  }
  onProgress({ stage: "verify quantized", done: files.length, total: files.length, what: "" });
  return { sound: files.length - damaged.length, damaged };
}

/** What is wrong with one pack: its files, its linears against the schemes, its engine against the reference. */
async function packFaults(
  run: string,
  target: string,
  { files, linears }: Manifest,
  index: QuantizedIndex,
  kernels: Kernels,
  onProgress: OnProgress,
): Promise<readonly string[]> {
  const folder = packFolder(run, target);
  const faults = [...(await damagedFiles(folder, files, `verify files of ${target}`, onProgress))];
  const pack = await openPack(folder, findTarget(target)).catch((error) => {
    faults.push(...asFault(error));
    return null;
  });
  if (pack === null) return faults;
  for (const [done, made] of index.linears.entries()) {
    onProgress({ stage: `verify ${target}`, done, total: index.linears.length, what: made.name });
    const entry = linears.find((linear) => linear.name === made.name);
    if (entry === undefined) {
      faults.push(`${manifestPath(folder)}: ${made.name} is quantized but not packed`);
      continue;
    }
    const check = async () => {
      const scheme = await readScheme(path.join(quantizedFolder(run), made.file), made.weight);
      return checkLinear(findTarget(target), await pack.read(entry), scheme, kernels);
    };
    const file = path.join(folder, entry.file);
    const where = findTarget(target).container ? `${made.name} in ${folder}` : file;
    faults.push(...(await check().catch(asFault)).map((fault) => named(where, fault)));
  }
  await pack.close();
  onProgress({
    stage: `verify ${target}`,
    done: index.linears.length,
    total: index.linears.length,
    what: "",
  });
  return faults;
}

async function checkLinear(
  target: Target,
  packed: PackedLinear,
  scheme: WeightScheme,
  kernels: Kernels,
): Promise<readonly string[]> {
  const faults: string[] = [];
  const part = firstDifference(target.unpack(packed), scheme);
  if (part) faults.push(`unpacked ${part} differ from the scheme`);
  const native = target.open(packed, kernels);
  const reference = target.open(packed, openKernels({ path: "reference" }));
  if (kernels.native && "multiply" in native && "multiply" in reference) {
    const input = probe(scheme.columns);
    if (!sameBits((await native.multiply(input)).data, (await reference.multiply(input)).data))
      faults.push(`the ${kernels.path} engine differs from the reference`);
  }
  return faults;
}

/** A fault with the place that it is at, unless it names it itself. */
function named(where: string, fault: string): string {
  return fault.includes(where) ? fault : `${where}: ${fault}`;
}

/** The first stored tensor in which two schemes differ. */
function firstDifference(a: WeightScheme, b: WeightScheme): string | null {
  const [these, those] = [weightTensors(a), weightTensors(b)];
  const names = new Set([...Object.keys(these), ...Object.keys(those)]);
  for (const name of names) {
    const [one, other] = [these[name]?.bytes, those[name]?.bytes];
    if (!one || !other || !sameBits(one, other)) return name.replace("_", " ");
  }
  return null;
}

function sameBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const bytes = (view: ArrayBufferView) => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  return bytes(a).equals(bytes(b));
}

/** Two tokens of fixed pseudo-random activations (a linear congruential generator), −2 … 2. */
function probe(columns: number): Matrix {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 4;
  };
  return matrix(2, columns, Float32Array.from({ length: 2 * columns }, next));
}
