import { z } from "zod";
import { LuthierError } from "../error.js";
import type { Matrix } from "../tensor/matrix.js";
import type { Tensors } from "../tensor/tensor.js";
import { describeActivation } from "./activation.js";
import { dequantizeInt, intBytes, intFault, intFromTensors, intOutline, intTensors } from "./int.js";
import {
  type CodedOutline,
  type CodedPart,
  dequantizeParts,
  describeParts,
  partsBytes,
  partsFault,
  partsFromTensors,
  partsNumbers,
  partsOutline,
  partsOutlineOf,
  partsTensors,
  sameParts,
} from "./parts.js";
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
  if (weight.scheme === "parts") return dequantizeParts(weight, dequantize);
  if (weight.scheme === "vectors") return dequantizeVectors(weight);
  if (weight.scheme === "values") return dequantizeValues(weight);
  return weight.scheme === "int" ? dequantizeInt(weight) : dequantizePlanes(weight);
}

/** Bytes that the scheme takes in a run's `quantized/`, file header aside. */
export function storedBytes(outline: WeightOutline): number {
  if (outline.scheme === "parts") return partsBytes(outline, storedBytes);
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
  if (outline.scheme === "parts") return describeParts(outline, describeWeight, describeActivation);
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
export function outlineOf(weight: CodedPart): CodedOutline;
export function outlineOf(weight: WeightScheme): WeightOutline;
export function outlineOf(weight: WeightScheme): WeightOutline {
  if (weight.scheme === "parts") return partsOutlineOf(weight, outlineOf);
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
  if (weight.scheme === "parts") return partsNumbers(weight, numbersOf);
  if (weight.scheme === "vectors") return vectorsNumbers(weight);
  if (weight.scheme === "values") return valuesNumbers(weight);
  if (weight.scheme === "planes") return weight.offsets ? [weight.scales, weight.offsets] : [weight.scales];
  return weight.zeroPoints instanceof Float32Array ? [weight.scales, weight.zeroPoints] : [weight.scales];
}

/** Whether a scheme that was made is the one that was planned: the same outline, or parts that the plan foresaw. */
export function sameOutline(planned: WeightOutline, made: WeightOutline): boolean {
  if (planned.scheme === "parts" && made.scheme === "parts") return sameParts(planned, made);
  const facts = (outline: WeightOutline) => JSON.stringify(Object.entries(outline).sort());
  return facts(planned) === facts(made);
}

/** The tensors of a scheme's file. */
export function weightTensors(weight: WeightScheme): Tensors {
  if (weight.scheme === "parts") return partsTensors(weight, weightTensors);
  if (weight.scheme === "vectors") return vectorsTensors(weight);
  if (weight.scheme === "values") return valuesTensors(weight);
  return weight.scheme === "int" ? intTensors(weight) : planesTensors(weight);
}

const outlines = z.discriminatedUnion("scheme", [
  intOutline,
  planesOutline,
  valuesOutline,
  vectorsOutline,
  partsOutline,
]);

/**
 * An outline read from a file, its keys in the file's order: written again it gives the same bytes.
 * @throws LuthierError when it is not one, or its scales do not cover its weights; `where` names the file.
 */
export function parseOutline(value: unknown, where: string): WeightOutline {
  const parsed = outlines.safeParse(value);
  if (!parsed.success) throw damaged(where, z.prettifyError(parsed.error).replaceAll("\n", " "));
  const fault = faultOf(parsed.data);
  if (fault) throw damaged(where, fault);
  return value as WeightOutline; // strict objects without defaults: what was parsed is all there is
}

/** What is inconsistent in an outline; null when nothing is. */
function faultOf(outline: WeightOutline): string | null {
  const { rows, columns } = outline;
  if (!Number.isSafeInteger(rows * columns * 2048)) return `${rows} × ${columns} weights are too many`;
  if (outline.scheme === "parts") return partsFault(outline, faultOf);
  if (outline.scheme === "vectors") return vectorsFault(outline);
  const { group, scaleRows } = outline;
  if (columns % group !== 0) return `a group of ${group} does not divide ${columns} columns`;
  if (scaleRows !== rows && scaleRows !== 1) return `${scaleRows} rows of scales for ${rows} rows`;
  if (outline.scheme === "values") return valuesFault(outline);
  return outline.scheme === "int" ? intFault(outline) : null;
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
    if (outline.scheme === "parts") return partsFromTensors(outline, bytesOf, codedFromTensors);
    if (outline.scheme === "vectors") return vectorsFromTensors(outline, bytesOf);
    return codedFromTensors(outline, bytesOf);
  } catch (error) {
    if (error instanceof RangeError) throw damaged(where, error.message);
    throw error;
  }
}

function codedFromTensors(outline: CodedOutline, bytesOf: (name: string) => Uint8Array): CodedPart {
  if (outline.scheme === "values") return valuesFromTensors(outline, bytesOf);
  return outline.scheme === "int" ? intFromTensors(outline, bytesOf) : planesFromTensors(outline, bytesOf);
}

function damaged(where: string, what: string): LuthierError {
  return new LuthierError(
    `${where} is not a quantized linear: ${what}`,
    "delete it and run again, or restore it from a copy",
  );
}
