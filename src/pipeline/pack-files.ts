import { readdir } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { isMissing } from "../checkpoint/file-error.js";
import { LuthierError } from "../error.js";
import { activationScheme } from "../schemes/activation.js";
import type { ActivationScheme } from "../schemes/scheme.js";
import { parseOutline } from "../schemes/weights.js";
import type { PackedLinear, Target } from "../targets/target.js";
import { readAll } from "./quantized-files.js";
import { expectInside, type FileEntry, fileEntry, readRecord } from "./record.js";

/* The files under `packs/<target>/`: docs/formats.md describes them. */

const manifestFile = "manifest.json";

const manifestSchema = z.strictObject({
  format: z.literal("luthier-pack"),
  version: z.literal(2),
  target: z.string(),
  parameters: z.record(z.string(), z.unknown()),
  /**
   * sha256 of what of the recipe decides the weights (`quantizingPart`), of every input file, and of the calibration
   * text.
   */
  source: z.strictObject({
    recipe: z.string(),
    inputs: z.record(z.string(), z.string()),
    calibration: z.string().optional(),
  }),
  files: z.array(fileEntry),
  linears: z.array(
    z.strictObject({
      name: z.string(),
      file: z.string(),
      /** Of its packed tensors. */
      bytes: z.int().min(0),
      weight: z.unknown(),
      activation: activationScheme,
      layout: z.record(z.string(), z.union([z.number(), z.string()])),
    }),
  ),
});

type ManifestSource = z.infer<typeof manifestSchema>["source"];

export interface PackEntry {
  readonly name: string;
  /** Where it lies: one of the manifest's files. */
  readonly file: string;
  /** Of its packed tensors. */
  readonly bytes: number;
  readonly weight: PackedLinear["weight"];
  readonly activation: ActivationScheme;
  readonly layout: PackedLinear["layout"];
}

export interface Manifest {
  readonly target: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly source: ManifestSource;
  readonly files: readonly FileEntry[];
  readonly linears: readonly PackEntry[];
}

export function packFolder(run: string, target: string): string {
  return path.join(run, "packs", target);
}

export function manifestPath(folder: string): string {
  return path.join(folder, manifestFile);
}

export function manifestJson(manifest: Manifest): object {
  return { format: "luthier-pack", version: 2, ...manifest };
}

/** Targets that a run has a finished pack for. */
export async function packedTargets(run: string): Promise<readonly string[]> {
  try {
    const names = await readdir(path.join(run, "packs"));
    const finished = await Promise.all(
      names.map(async (name) => ((await readdir(packFolder(run, name))).includes(manifestFile) ? name : [])),
    );
    return finished.flat().sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** @throws LuthierError when the folder has no manifest, or one that is damaged or leads out of it. */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = manifestPath(folder);
  const fix = "write the pack with `luthier pack`";
  const found = await readRecord(file, manifestSchema, fix);
  if (found === null) throw new LuthierError(`${folder} is no pack: it has no ${manifestFile}`, fix);
  const { format: _format, version: _version, ...manifest } = found;
  await expectInside([...manifest.files, ...manifest.linears], file);
  const linears = manifest.linears.map((entry) => ({ ...entry, weight: parseOutline(entry.weight, file) }));
  return { ...manifest, linears };
}

/** A pack whose linears can be read. */
export interface OpenPack {
  read(entry: PackEntry): Promise<PackedLinear>;
  close(): Promise<void>;
}

/** @throws LuthierError when the target keeps a whole model in a file and that is damaged or missing. */
export async function openPack(folder: string, target: Target): Promise<OpenPack> {
  const container = await target.container?.open(folder);
  return {
    async read(entry) {
      const { weight, layout } = entry;
      const tensors = container ? await container.read(entry) : await readAll(path.join(folder, entry.file));
      return { weight, layout, tensors };
    },
    close: async () => container?.close(),
  };
}
