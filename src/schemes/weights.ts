import { z } from "zod";
import { LuthierError } from "../error.js";
import type { Matrix } from "../tensor/matrix.js";
import type { Tensors } from "../tensor/tensor.js";
import { dequantizeInt, intBytes, intFault, intFromTensors, intOutline, intTensors } from "./int.js";
import { dequantizePlanes, planesBytes, planesFromTensors, planesOutline, planesTensors } from "./planes.js";
import { granularityName } from "./scale-grid.js";
import type { GridOutline, GridScheme, WeightOutline, WeightScheme } from "./scheme.js";
import {
  dequantizeValues,
  describeValues,
  valuesBytes,
  valuesFault,
  valuesFromTensors,
  valuesNumbers,
  valuesOutline,
  valuesOutlineOf,
  valuesTensors,
} from "./values.js";
import {
  dequantizeVectors,
  describeVectors,
  vectorsBytes,
  vectorsFault,
  vectorsFromTensors,
  vectorsNumbers,
  vectorsOutline,
  vectorsOutlineOf,
  vectorsTensors,
} from "./vectors.js";

/*
 * What every representation can do, whichever it is. A new representation adds its file, its members to the unions of
 * scheme.ts and a case here.
 */

/** The float32 weight `[N, K]` that a scheme stands for. */
export function dequantize(weight: WeightScheme): Matrix {
  if (weight.scheme === "vectors") return dequantizeVectors(weight);
  if (weight.scheme === "values") return dequantizeValues(weight);
  return weight.scheme === "int" ? dequantizeInt(weight) : dequantizePlanes(weight);
}

/** Codebooks of the linear's input `[P, c_a, v]`; null where it is not represented by centroids. */
export function inputCodebooksOf(weight: WeightScheme): Float32Array | null {
  return weight.scheme === "vectors" ? weight.inputCodebooks : null;
}

/** Bytes that the scheme takes in a run's `quantized/`, file header aside. */
export function storedBytes(outline: WeightOutline): number {
  if (outline.scheme === "vectors") return vectorsBytes(outline);
  if (outline.scheme === "values") return valuesBytes(outline);
  return outline.scheme === "int" ? intBytes(outline) : planesBytes(outline);
}

/** Stored bits a weight, scales and zero points included. */
export function bitsPerWeight(outline: WeightOutline): number {
  return (storedBytes(outline) * 8) / (outline.rows * outline.columns);
}

/** A scheme in a few words, for tables: `int4 g128`, `2 trit planes g128`, `binary with offset row`. */
export function describeWeight(outline: WeightOutline): string {
  if (outline.scheme === "vectors") return describeVectors(outline);
  if (outline.scheme === "values") return describeValues(outline);
  const scope = `${granularityName(outline)}${outline.scaleDtype ? ", float32 scales" : ""}`;
  if (outline.scheme === "int") {
    const zeros = outline.symmetric ? " symmetric" : outline.zeroPointDtype ? " with float zero points" : "";
    return `int${outline.bits}${zeros} ${scope}`;
  }
  const { alphabet, planes, offset } = outline;
  const letter = alphabet === "trits" ? "trit" : "sign";
  const name = planes > 1 ? `${planes} ${letter} planes` : alphabet === "trits" ? "ternary" : "binary";
  return `${name}${offset ? " with offset" : ""} ${scope}`;
}

/** A scheme without its data. */
export function outlineOf(weight: GridScheme): GridOutline;
export function outlineOf(weight: WeightScheme): WeightOutline;
export function outlineOf(weight: WeightScheme): WeightOutline {
  if (weight.scheme === "vectors") return vectorsOutlineOf(weight);
  if (weight.scheme === "values") return valuesOutlineOf(weight);
  const { rows, columns, group, scaleRows, scaleDtype } = weight;
  const grid = { rows, columns, group, scaleRows, ...(scaleDtype && { scaleDtype }) };
  if (weight.scheme === "int") {
    const { bits, symmetric, zeroPointDtype } = weight;
    return { scheme: "int", bits, symmetric, ...grid, ...(zeroPointDtype && { zeroPointDtype }) };
  }
  const { alphabet, planes, offset } = weight;
  return { scheme: "planes", alphabet, planes, ...grid, ...(offset && { offset }) };
}

/** All float numbers that a scheme holds: they are finite where the weight could be represented. */
export function numbersOf(weight: WeightScheme): readonly Float32Array[] {
  if (weight.scheme === "vectors") return vectorsNumbers(weight);
  if (weight.scheme === "values") return valuesNumbers(weight);
  if (weight.scheme === "planes") return weight.offsets ? [weight.scales, weight.offsets] : [weight.scales];
  return weight.zeroPoints instanceof Float32Array ? [weight.scales, weight.zeroPoints] : [weight.scales];
}

/** Whether two outlines describe the same scheme. */
export function sameOutline(a: WeightOutline, b: WeightOutline): boolean {
  const facts = (outline: WeightOutline) => JSON.stringify(Object.entries(outline).sort());
  return facts(a) === facts(b);
}

/** The tensors of a scheme's file. */
export function weightTensors(weight: WeightScheme): Tensors {
  if (weight.scheme === "vectors") return vectorsTensors(weight);
  if (weight.scheme === "values") return valuesTensors(weight);
  return weight.scheme === "int" ? intTensors(weight) : planesTensors(weight);
}

const outlines = z.discriminatedUnion("scheme", [intOutline, planesOutline, valuesOutline, vectorsOutline]);

/**
 * An outline read from a file.
 * @throws LuthierError when it is not one, or its scales do not cover its weights; `where` names the file.
 */
export function parseOutline(value: unknown, where: string): WeightOutline {
  const parsed = outlines.safeParse(value);
  if (!parsed.success) throw damaged(where, z.prettifyError(parsed.error).replaceAll("\n", " "));
  const { rows, columns } = parsed.data;
  if (!Number.isSafeInteger(rows * columns * 2048))
    throw damaged(where, `${rows} × ${columns} weights are too many`);
  if (parsed.data.scheme === "vectors") {
    const fault = vectorsFault(parsed.data);
    if (fault) throw damaged(where, fault);
    return parsed.data;
  }
  const { group, scaleRows } = parsed.data;
  if (columns % group !== 0) throw damaged(where, `a group of ${group} does not divide ${columns} columns`);
  if (scaleRows !== rows && scaleRows !== 1)
    throw damaged(where, `${scaleRows} rows of scales for ${rows} rows`);
  const fault =
    parsed.data.scheme === "values"
      ? valuesFault(parsed.data)
      : parsed.data.scheme === "int"
        ? intFault(parsed.data)
        : null;
  if (fault) throw damaged(where, fault);
  return parsed.data;
}

/**
 * A scheme from its outline and its tensors' bytes.
 * @throws LuthierError when they do not fit each other; `where` names the file.
 */
export function weightFromTensors(
  outline: WeightOutline,
  bytesOf: (name: string) => Uint8Array,
  where: string,
): WeightScheme {
  try {
    if (outline.scheme === "vectors") return vectorsFromTensors(outline, bytesOf);
    if (outline.scheme === "values") return valuesFromTensors(outline, bytesOf);
    return outline.scheme === "int" ? intFromTensors(outline, bytesOf) : planesFromTensors(outline, bytesOf);
  } catch (error) {
    if (error instanceof RangeError) throw damaged(where, error.message);
    throw error;
  }
}

function damaged(where: string, what: string): LuthierError {
  return new LuthierError(
    `${where} is not a quantized linear: ${what}`,
    "delete it and run again, or restore it from a copy",
  );
}
