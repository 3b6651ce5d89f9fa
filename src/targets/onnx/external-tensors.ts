import { type ExternalTensor, externalType } from "../../model/onnx.js";
import { type ReadField, readFields } from "../../model/protobuf.js";
import { damagedPack } from "../target.js";

/** Fields of ONNX's messages (onnx/onnx.proto3) on the way to a tensor's place. */
const graphOfModel = 7;
const initializerOfGraph = 5;
const tensor = { dims: 1, type: 2, name: 8, external: 13 } as const;
const entry = { key: 1, value: 2 } as const;

/**
 * Where the tensors of a model lie in its data file, by name.
 * @throws LuthierError when the bytes are no model, or a tensor's place is none or in another file.
 */
export function externalTensors(model: Uint8Array, file: string): ReadonlyMap<string, ExternalTensor> {
  try {
    const found = messages(readFields(model), graphOfModel)
      .flatMap((graph) => messages(readFields(graph), initializerOfGraph))
      .flatMap((bytes) => placeOf(readFields(bytes), file) ?? []);
    return new Map(found.map((place) => [place.name, place]));
  } catch (error) {
    if (error instanceof RangeError) throw damagedPack(`its graph ${error.message}`);
    throw error;
  }
}

/** Null for a tensor whose bytes are in the graph itself. */
function placeOf(fields: readonly ReadField[], file: string): ExternalTensor | null {
  const entries = new Map(
    messages(fields, tensor.external).map((bytes) => {
      const pair = readFields(bytes);
      return [textOf(pair, entry.key), textOf(pair, entry.value)] as const;
    }),
  );
  if (entries.size === 0) return null;
  const name = textOf(fields, tensor.name);
  if (entries.get("location") !== file) throw new RangeError(`has the tensor ${name} in another file`);
  const type = numbers(fields, tensor.type)[0];
  const dtype = Object.entries(externalType).find(([, number]) => number === type)?.[0];
  if (dtype === undefined) throw new RangeError(`has the tensor ${name} of the type ${type}`);
  return {
    name,
    dtype: dtype as ExternalTensor["dtype"],
    shape: numbers(fields, tensor.dims),
    file,
    offset: wholeNumber(entries.get("offset"), name),
    bytes: wholeNumber(entries.get("length"), name),
  };
}

function wholeNumber(text: string | undefined, name: string): number {
  const value = Number(text);
  if (text !== undefined && /^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new RangeError(`gives the tensor ${name} the place ${text}`);
}

function messages(fields: readonly ReadField[], number: number): readonly Uint8Array[] {
  return fields.flatMap((field) =>
    field.number === number && field.value instanceof Uint8Array ? [field.value] : [],
  );
}

function numbers(fields: readonly ReadField[], number: number): readonly number[] {
  return fields.flatMap((field) =>
    field.number === number && typeof field.value === "bigint" ? [Number(field.value)] : [],
  );
}

function textOf(fields: readonly ReadField[], number: number): string {
  return Buffer.from(messages(fields, number)[0] ?? []).toString("utf8");
}
