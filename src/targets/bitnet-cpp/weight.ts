import { LuthierError } from "../../error.js";
import type { PlanesOutline, PlanesScheme } from "../../schemes/planes.js";
import type { Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";
import { blockBytes, i2sTrits, packI2s } from "./i2-s.js";
import type { Layout } from "./layout.js";
import { type Run, readRun, writeRun } from "./lookups.js";
import { tl1Bytes, tl1Run } from "./tl1.js";
import { tl2Bytes, tl2Runs } from "./tl2.js";

/** A linear as its kernel reads it. */
export interface PackedWeight {
  readonly rows: number;
  readonly columns: number;
  /** I2_S: `[N, K / 4]` bytes of 2-bit codes; TL1 and TL2: table indices and signs. */
  readonly bytes: Uint8Array;
  readonly format: I2sFormat | TableFormat;
  readonly scale: number;
}

export interface I2sFormat {
  readonly blockBytes: 16 | 32;
}

export interface TableFormat {
  /** Where everything lies, in the order of K. */
  readonly runs: readonly Run[];
}

/**
 * I2_S keeps its scale inside its one tensor, after the codes, in the first of 32 spare bytes. TL1 and TL2 have a tensor
 * of their own for it: the converter names it `<weight>_scale` and writes it next, where the kernels look for it.
 */
const spareBytes = 32;

/** @throws LuthierError when the scale is not finite. */
export function packWeight(weight: PlanesScheme, layout: Layout): Tensors {
  const { rows, columns, codes, scales } = weight;
  if (!Number.isFinite(scales[0])) {
    throw new LuthierError(
      `bitnet-cpp cannot pack the weight: its scale is ${scales[0]}`,
      "quantize the linear again, or keep it float",
    );
  }
  const scale = new Uint8Array(Float32Array.of(scales[0]).buffer);
  const format = formatOf(rows, columns, layout);
  const bytes = new Uint8Array(tensorBytes(rows, columns, layout));
  const tensors: Tensors = { weight: { dtype: "U8", shape: [bytes.length], bytes } };
  if ("runs" in format) {
    for (const run of format.runs) writeRun(bytes, run, codes, rows, columns);
    return { ...tensors, scale: { dtype: "F32", shape: [1], bytes: scale } };
  }
  bytes.set(packI2s(codes, rows, columns, format.blockBytes));
  bytes.set(scale, bytes.length - spareBytes);
  return tensors;
}

/** @throws LuthierError when a tensor is missing or the scale is not finite. Codes are judged by `tritsOf`. */
export function weightIn(tensors: Tensors, { rows, columns }: PlanesOutline, layout: Layout): PackedWeight {
  const size = tensorBytes(rows, columns, layout);
  const { bytes } = tensorOf(tensors, "weight", "U8", [size]);
  const format = formatOf(rows, columns, layout);
  const scaleAt =
    "runs" in format ? tensorOf(tensors, "scale", "F32", [1]).bytes : bytes.subarray(size - spareBytes);
  const scale = new Float32Array(scaleAt.slice(0, 4).buffer)[0];
  if (!Number.isFinite(scale)) throw damagedPack(`its scale is ${scale}`);
  return {
    rows,
    columns,
    format,
    scale,
    bytes: "runs" in format ? bytes : bytes.subarray(0, size - spareBytes),
  };
}

/** The trits `[N, K]`. @throws LuthierError when bytes are none that the target writes. */
export function tritsOf({ rows, columns, bytes, format }: PackedWeight): Int8Array {
  if ("blockBytes" in format) return i2sTrits(bytes, rows, columns, format.blockBytes);
  const trits = new Int8Array(rows * columns);
  for (const run of format.runs) readRun(bytes, run, trits, rows, columns);
  return trits;
}

function formatOf(rows: number, columns: number, layout: Layout): PackedWeight["format"] {
  if (layout.kernel === "tl1") return { runs: [tl1Run(rows, columns, layout)] };
  if (layout.kernel === "tl2") return { runs: tl2Runs(rows, columns, layout) };
  return { blockBytes: blockBytes[layout.kernel] };
}

function tensorBytes(rows: number, columns: number, { kernel }: Layout): number {
  if (kernel === "tl1") return tl1Bytes(rows, columns);
  if (kernel === "tl2") return tl2Bytes(rows, columns);
  return (rows * columns) / 4 + spareBytes;
}
