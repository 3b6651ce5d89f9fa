import { type ExternalTensor, externalType } from "../../model/onnx.js";
import { type ReadField, readFields } from "../../model/protobuf.js";
import { damagedPack } from "../target.js";

/** Fields of ONNX's messages (onnx/onnx.proto3) on the way to products and to tensors' places. */
const graphOfModel = 7;
const inGraph = { node: 1, initializer: 5 } as const;
const node = { input: 1, name: 3, op: 4, attribute: 5 } as const;
const attribute = { name: 1, int: 3 } as const;
const tensor = { dims: 1, type: 2, name: 8, external: 13 } as const;
const entry = { key: 1, value: 2 } as const;

export interface ReadModel {
  /** Where tensors lie in the data file, by name. */
  readonly places: ReadonlyMap<string, ExternalTensor>;
  /** The nodes MatMulNBits, by name. */
  readonly products: ReadonlyMap<string, ReadProduct>;
}

export interface ReadProduct {
  /** Its inputs behind the first, which is no tensor of the file. */
  readonly tensors: readonly string[];
  readonly attributes: Readonly<Record<string, number>>;
}

/**
 * What a graph says of its quantized products and of the tensors in its data file.
 * @throws LuthierError when the bytes are no model, a name is there twice, or a tensor's place is none or in another file.
 */
export function readModel(model: Uint8Array, file: string): ReadModel {
  try {
    const graph = messages(readFields(model), graphOfModel).flatMap(readFields);
    return {
      places: byName(
        messages(graph, inGraph.initializer).flatMap((bytes) => placeOf(readFields(bytes), file) ?? []),
      ),
      products: byName(messages(graph, inGraph.node).flatMap((bytes) => productOf(readFields(bytes)) ?? [])),
    };
  } catch (error) {
    if (error instanceof RangeError) throw damagedPack(`its graph ${error.message}`);
    throw error;
  }
}

function byName<T extends { readonly name: string }>(items: readonly T[]): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  for (const item of items) {
    if (found.has(item.name)) throw new RangeError(`has ${item.name} twice`);
    found.set(item.name, item);
  }
  return found;
}

/** Null for a node of another operator. */
function productOf(fields: readonly ReadField[]): (ReadProduct & { readonly name: string }) | null {
  if (textOf(fields, node.op) !== "MatMulNBits") return null;
  const attributes = messages(fields, node.attribute).map((bytes) => {
    const pair = readFields(bytes);
    return [textOf(pair, attribute.name), numbers(pair, attribute.int)[0]] as const;
  });
  return {
    name: textOf(fields, node.name),
    tensors: messages(fields, node.input).slice(1).map(asText),
    attributes: Object.fromEntries(attributes),
  };
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
  return asText(messages(fields, number)[0] ?? new Uint8Array());
}

function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
