import path from "node:path";
import { LuthierError } from "../error.js";
import { describeActivation } from "../schemes/activation.js";
import type { Rotation } from "../schemes/rotation.js";
import type { WeightScheme } from "../schemes/scheme.js";
import { bitsPerWeight, describeWeight, storedBytes } from "../schemes/weights.js";
import { packedTargets, packFolder, readManifest } from "./pack-files.js";
import { quantizedFolder, readBias, readQuantizedIndex, readScheme } from "./quantized-files.js";

/** One quantized linear in depth. */
export interface LinearInspection {
  readonly name: string;
  readonly scheme: string;
  readonly shape: readonly [number, number];
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly relativeError: number;
  readonly activation: string;
  /** Of its own bias, in place of the checkpoint's; null where it keeps that. */
  readonly bias: { readonly least: number; readonly most: number } | null;
  /** Of the input, before it is represented; null where there is none. */
  readonly rotation: Rotation | null;
  /** Null of vectors without a table, of values with own tables, and of parts. */
  readonly scales: { readonly count: number; readonly least: number; readonly most: number } | null;
  /** How often each code occurs; of planes the codes of all, first plane first; of vectors the ids; none of parts. */
  readonly codes: readonly { readonly code: string; readonly share: number }[];
  readonly packs: readonly {
    readonly target: string;
    readonly bytes: number;
    readonly layout: Readonly<Record<string, number | string>>;
  }[];
}

/** @throws LuthierError when the run has no such quantized linear, with the names that are near. */
export async function inspectLinear(run: string, name: string): Promise<LinearInspection> {
  const { linears } = await readQuantizedIndex(run);
  const entry = linears.find((linear) => linear.name === name);
  if (entry === undefined) {
    const last = name.split(".").at(-1) ?? name;
    const near = linears.filter((linear) => linear.name.endsWith(last)).map((linear) => linear.name);
    const shown = (near.length > 0 ? near : linears.map((linear) => linear.name)).slice(0, 4).join(", ");
    throw new LuthierError(
      `${run} has no quantized linear '${name}'`,
      `its linears are called like ${shown}`,
      { usage: true },
    );
  }
  const file = path.join(quantizedFolder(run), entry.file);
  const weight = await readScheme(file, entry.weight);
  const bias = entry.bias ? await readBias(file, weight.rows) : null;
  const packs = [];
  for (const target of await packedTargets(run)) {
    const packed = (await readManifest(packFolder(run, target))).linears.find(
      (linear) => linear.name === name,
    );
    if (packed) packs.push({ target, bytes: packed.bytes, layout: packed.layout });
  }
  return {
    name,
    scheme: describeWeight(weight),
    shape: [weight.rows, weight.columns],
    bytes: storedBytes(weight) + 4 * (bias?.length ?? 0),
    bitsPerWeight: bitsPerWeight(weight),
    relativeError: entry.relativeError,
    activation: describeActivation(entry.activation),
    bias: bias && {
      least: bias.reduce((a, b) => Math.min(a, b)),
      most: bias.reduce((a, b) => Math.max(a, b)),
    },
    rotation: entry.rotation ?? null,
    scales: rangeOf(scalesOf(weight)),
    codes: codeShares(codesOf(weight)),
    packs,
  };
}

function scalesOf(weight: WeightScheme): Float32Array {
  if (weight.scheme === "parts") return new Float32Array();
  const scales = weight.scheme === "vectors" ? weight.products?.scales : weight.scales;
  return scales ?? new Float32Array();
}

function rangeOf(scales: Float32Array): LinearInspection["scales"] {
  if (scales.length === 0) return null;
  return {
    count: scales.length,
    least: scales.reduce((least, scale) => Math.min(least, scale), Number.POSITIVE_INFINITY),
    most: scales.reduce((most, scale) => Math.max(most, scale), 0),
  };
}

interface Codes {
  /** `[planes, size]`. */
  readonly codes: Uint8Array | Int8Array;
  readonly planes: number;
}

function codesOf(weight: WeightScheme): Codes {
  if (weight.scheme === "parts") return { codes: new Uint8Array(), planes: 1 };
  if (weight.scheme === "vectors") return { codes: weight.ids, planes: 1 };
  return { codes: weight.codes, planes: weight.scheme === "planes" ? weight.planes : 1 };
}

function codeShares({ codes, planes }: Codes): LinearInspection["codes"] {
  const size = codes.length / planes;
  const counts = new Map<string, number>();
  for (let i = 0; i < size; i++) {
    let code = String(codes[i]);
    for (let plane = 1; plane < planes; plane++) code += `,${codes[plane * size + i]}`;
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return [...counts]
    .map(([code, count]) => ({ code, share: count / size }))
    .sort((a, b) => b.share - a.share || a.code.localeCompare(b.code));
}
