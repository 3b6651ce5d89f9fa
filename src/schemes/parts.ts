import { z } from "zod";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type { Tensors } from "../tensor/tensor.js";
import { activationFault, dynamicActivation } from "./activation.js";
import { type IntOutline, type IntScheme, intOutline } from "./int.js";
import {
  describeKept,
  type KeptFloat,
  type KeptOutline,
  keptBytes,
  keptFromBytes,
  keptMatrix,
  keptOutline,
  keptOutlineOf,
  keptTensor,
} from "./kept-float.js";
import { type PlanesOutline, type PlanesScheme, planesOutline } from "./planes.js";
import type { DynamicActivation } from "./scheme.js";
import { type ValuesOutline, type ValuesScheme, valuesOutline } from "./values.js";

/**
 * A weight `[N, K]` cut by rows or by columns, each part in a scheme of its own or kept float. By columns each part has its
 * inputs represented in its own way too: LLM.int8()'s outlier columns (arXiv 2208.07339), FMPQ's blocks of channels (arXiv
 * 2410.12168). By rows all parts read one input: MixLLM's salient outputs (arXiv 2412.14590).
 */
export interface PartsOutline {
  readonly scheme: "parts";
  readonly rows: number;
  readonly columns: number;
  readonly by: "rows" | "columns";
  readonly parts: readonly PartOutline[];
}

export interface PartOutline {
  readonly weight: CodedOutline | KeptOutline;
  /** Of its inputs; by columns only, and there always. */
  readonly activation?: DynamicActivation;
}

export interface PartsScheme extends PartsOutline {
  readonly parts: readonly Part[];
  /** `[N]` or `[K]`: which rows or columns the parts consist of, one part after another; each once. */
  readonly indices: Uint32Array;
}

export interface Part extends PartOutline {
  readonly weight: CodedPart | KeptFloat;
}

/** What a part can be quantized to. */
export type CodedOutline = IntOutline | PlanesOutline | ValuesOutline;
export type CodedPart = IntScheme | PlanesScheme | ValuesScheme;

const mostParts = 256;

/** An outline as a file states it. */
export const partsOutline = z.strictObject({
  scheme: z.literal("parts"),
  rows: z.int().positive(),
  columns: z.int().positive(),
  by: z.enum(["rows", "columns"]),
  parts: z
    .array(
      z.strictObject({
        weight: z.discriminatedUnion("scheme", [intOutline, planesOutline, valuesOutline, keptOutline]),
        activation: dynamicActivation.optional(),
      }),
    )
    .min(1)
    .max(mostParts),
});

/** What is inconsistent in an outline; null when nothing is. @param faultOf what is in a part's. */
export function partsFault(
  { rows, columns, by, parts }: PartsOutline,
  faultOf: (part: CodedOutline) => string | null,
): string | null {
  const [along, across, size, other] =
    by === "rows"
      ? (["rows", "columns", rows, columns] as const)
      : (["columns", "rows", columns, rows] as const);
  let sum = 0;
  for (const [at, { weight, activation }] of parts.entries()) {
    if (weight[across] !== other) return `part ${at} has ${weight[across]} of ${other} ${across}`;
    const fault = weight.scheme === "float" ? null : faultOf(weight);
    if (fault) return `part ${at}: ${fault}`;
    if ((activation !== undefined) !== (by === "columns"))
      return `part ${at} has ${activation ? "inputs of its own, cut by rows" : "no inputs of its own, cut by columns"}`;
    const inputs = activation && activationFault(weight.columns, activation);
    if (inputs) return `part ${at}: ${inputs}`;
    sum += weight[along];
  }
  return sum === size ? null : `its parts have ${sum} of ${size} ${along}`;
}

/** Parts of a weight as they follow from their weights. @param indices of all, one part after another. */
export function partsOf(by: PartsOutline["by"], parts: readonly Part[], indices: Uint32Array): PartsScheme {
  const sum = parts.reduce((total, { weight }) => total + weight[by], 0);
  const { rows, columns } = parts[0].weight;
  const shape = by === "rows" ? { rows: sum, columns } : { rows, columns: sum };
  return { scheme: "parts", ...shape, by, parts, indices };
}

/** A scheme without its data. @param outlineOf that of a part. */
export function partsOutlineOf(
  { rows, columns, by, parts }: PartsScheme,
  outlineOf: (part: CodedPart) => CodedOutline,
): PartsOutline {
  const outlines = parts.map(({ weight, activation }) => ({
    weight: weight.scheme === "float" ? keptOutlineOf(weight) : outlineOf(weight),
    ...(activation && { activation }),
  }));
  return { scheme: "parts", rows, columns, by, parts: outlines };
}

/** Each part with what it consists of: rows or columns of the whole. */
export function* cutOf({ by, parts, indices }: PartsScheme): Generator<readonly [Part, Uint32Array]> {
  let first = 0;
  for (const part of parts) {
    const { [by]: size } = part.weight;
    yield [part, indices.subarray(first, first + size)];
    first += size;
  }
}

/** The rows or columns of a weight, in the order that is asked for. */
export function cut({ rows, columns, data }: Matrix, by: PartsOutline["by"], indices: Uint32Array): Matrix {
  const out = by === "rows" ? matrix(indices.length, columns) : matrix(rows, indices.length);
  for (let row = 0, at = 0; row < out.rows; row++) {
    const first = (by === "rows" ? indices[row] : row) * columns;
    for (let column = 0; column < out.columns; column++)
      out.data[at++] = data[first + (by === "rows" ? column : indices[column])];
  }
  return out;
}

/** Puts a part where `cut` took it from. */
export function putBack(
  part: Matrix,
  by: PartsOutline["by"],
  indices: Uint32Array,
  { columns, data }: Matrix,
): void {
  for (let row = 0, at = 0; row < part.rows; row++) {
    const first = (by === "rows" ? indices[row] : row) * columns;
    for (let column = 0; column < part.columns; column++)
      data[first + (by === "rows" ? column : indices[column])] = part.data[at++];
  }
}

/** The weight `[N, K]` that the parts make up. @param dequantize that of a part. */
export function dequantizeParts(weight: PartsScheme, dequantize: (part: CodedPart) => Matrix): Matrix {
  const out = matrix(weight.rows, weight.columns);
  for (const [part, indices] of cutOf(weight)) {
    const values = part.weight.scheme === "float" ? keptMatrix(part.weight) : dequantize(part.weight);
    putBack(values, weight.by, indices, out);
  }
  return out;
}

/** Its float numbers. @param numbersOf those of a part. */
export function partsNumbers(
  { parts }: PartsScheme,
  numbersOf: (part: CodedPart) => readonly Float32Array[],
): readonly Float32Array[] {
  return parts.flatMap(({ weight }) => (weight.scheme === "float" ? [weight.values] : numbersOf(weight)));
}

/** In a few words: `columns: 4090 int8 symmetric row (int8 per token) + 6 bfloat16 (float)`. */
export function describeParts(
  { by, parts }: PartsOutline,
  describe: (part: CodedOutline) => string,
  describeInput: (activation: DynamicActivation) => string,
): string {
  const names = parts.map(({ weight, activation }) => {
    const name = weight.scheme === "float" ? describeKept(weight) : describe(weight);
    return `${weight[by]} ${name}${activation ? ` (${describeInput(activation)})` : ""}`;
  });
  return `${by}: ${names.join(" + ")}`;
}

/** Stored bytes of the parts and of the indices. @param bytesOf those of a part. */
export function partsBytes(outline: PartsOutline, bytesOf: (part: CodedOutline) => number): number {
  const parts = outline.parts.map(({ weight }) =>
    weight.scheme === "float" ? keptBytes(weight) : bytesOf(weight),
  );
  return parts.reduce((sum, bytes) => sum + bytes, 4 * outline[outline.by]);
}

/** The tensors of a file: `indices`, those of part p as `<p>.<name>`, and of a part that is kept float `<p>.weight`. */
export function partsTensors(
  { parts, indices }: PartsScheme,
  tensorsOf: (part: CodedPart) => Tensors,
): Tensors {
  const bytes = new Uint8Array(indices.slice().buffer);
  const out: Record<string, Tensors[string]> = { indices: { dtype: "U32", shape: [indices.length], bytes } };
  for (const [at, { weight }] of parts.entries()) {
    const tensors = weight.scheme === "float" ? { weight: keptTensor(weight) } : tensorsOf(weight);
    for (const [name, tensor] of Object.entries(tensors)) out[`${at}.${name}`] = tensor;
  }
  return out;
}

/** @throws RangeError when a tensor does not fit the outline or the indices are not each row or column once. */
export function partsFromTensors(
  outline: PartsOutline,
  bytesOf: (name: string) => Uint8Array,
  fromTensors: (part: CodedOutline, bytesOf: (name: string) => Uint8Array) => CodedPart,
): PartsScheme {
  const indices = indicesFrom(bytesOf("indices"), outline[outline.by]);
  const parts = outline.parts.map(({ weight, ...rest }, at): Part => {
    const bytesOfPart = (name: string) => bytesOf(`${at}.${name}`);
    if (weight.scheme === "float") return { ...rest, weight: keptFromBytes(weight, bytesOfPart("weight")) };
    return { ...rest, weight: fromTensors(weight, bytesOfPart) };
  });
  return { ...outline, parts, indices };
}

function indicesFrom(bytes: Uint8Array, count: number): Uint32Array {
  if (bytes.length !== 4 * count)
    throw new RangeError(`${bytes.length} bytes of indices, expected ${4 * count}`);
  const indices = new Uint32Array(bytes.slice().buffer);
  const seen = new Uint8Array(count);
  for (const index of indices) {
    if (index >= count) throw new RangeError(`index ${index} is beyond ${count}`);
    if (seen[index]++ > 0) throw new RangeError(`index ${index} is in two parts`);
  }
  return indices;
}

/**
 * Whether parts that were made are those that a plan foresaw: cut the same way, each in a scheme of the plan's. How much
 * each has, and which dtype holds what stays float, may be known only after looking at inputs.
 */
export function sameParts(planned: PartsOutline, made: PartsOutline): boolean {
  return (
    made.rows === planned.rows &&
    made.columns === planned.columns &&
    made.by === planned.by &&
    made.parts.every((part) => planned.parts.some((foreseen) => samePart(foreseen, part)))
  );
}

function samePart(planned: PartOutline, made: PartOutline): boolean {
  if (facts(planned.activation ?? {}) !== facts(made.activation ?? {})) return false;
  const [a, b] = [planned.weight, made.weight];
  if (a.scheme === "float" || b.scheme === "float") return a.scheme === b.scheme;
  const sameGroup = a.group === b.group || (a.group === a.columns && b.group === b.columns);
  const sameRows = a.scaleRows === b.scaleRows || (a.scaleRows === a.rows && b.scaleRows === b.rows);
  const { rows, columns, group, scaleRows } = a;
  return sameGroup && sameRows && facts(a) === facts({ ...b, rows, columns, group, scaleRows });
}

function facts(outline: object): string {
  return JSON.stringify(Object.entries(outline).sort());
}
