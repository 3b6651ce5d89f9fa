import { Cursor } from "./gguf-cursor.js";

/*
 * The header of a GGUF file, version 3 (ggml-org/ggml, docs/gguf.md): magic, version, counts, metadata, one description a
 * tensor. Little-endian; a text is its length in 8 bytes and its UTF-8. Pure: bytes in, bytes out.
 */

/** Element types by ggml's names: the number in files, weights a block, bytes a block. */
export const ggmlTypes = {
  F32: { id: 0, size: 1, bytes: 4 },
  F16: { id: 1, size: 1, bytes: 2 },
  BF16: { id: 30, size: 1, bytes: 2 },
  Q4_0: { id: 2, size: 32, bytes: 18 },
  Q8_0: { id: 8, size: 32, bytes: 34 },
  TQ1_0: { id: 34, size: 256, bytes: 54 },
  TQ2_0: { id: 35, size: 256, bytes: 66 },
  Q2_0: { id: 42, size: 64, bytes: 18 },
} as const satisfies Record<string, { id: number; size: number; bytes: number }>;

export type GgmlType = keyof typeof ggmlTypes;

/** Where tensors begin: at multiples of this many bytes (`general.alignment` by default). */
export const alignmentBytes = 32;

export type GgufScalar =
  | { readonly type: "uint32" | "int32" | "float32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string };

export type GgufValue =
  | GgufScalar
  | { readonly type: "strings"; readonly values: readonly string[] }
  | { readonly type: "int32s"; readonly values: Int32Array }
  | { readonly type: "float32s"; readonly values: Float32Array };

export type GgufMetadata = ReadonlyMap<string, GgufValue>;

export interface TensorDescription {
  readonly name: string;
  readonly type: GgmlType;
  /** Row-major, outermost first: `[N, K]`. Blocks lie along the last axis. */
  readonly shape: readonly number[];
}

export interface PlacedTensor extends TensorDescription {
  /** From the beginning of the file. */
  readonly begin: number;
  readonly bytes: number;
}

export interface GgufHeader {
  readonly metadata: GgufMetadata;
  /** By name, in the order in which they lie in the file. */
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  /** Where the last tensor ends, padding included: the length of the file. */
  readonly end: number;
}

/** The header with its padding, and where each tensor is to lie. @throws RangeError when a shape fits no blocks. */
export function headerBytes(
  metadata: GgufMetadata,
  tensors: readonly TensorDescription[],
): { readonly bytes: Uint8Array; readonly placed: readonly PlacedTensor[] } {
  const parts: Buffer[] = [Buffer.from("GGUF"), uint32(3), uint64(tensors.length), uint64(metadata.size)];
  for (const [key, value] of metadata) parts.push(text(key), ...valueBytes(value));
  let offset = 0;
  const offsets = tensors.map((tensor) => {
    const begin = offset;
    offset += padded(tensorBytes(tensor));
    parts.push(text(tensor.name), uint32(tensor.shape.length));
    for (const length of [...tensor.shape].reverse()) parts.push(uint64(length));
    parts.push(uint32(ggmlTypes[tensor.type].id), uint64(begin));
    return begin;
  });
  const header = Buffer.concat(parts);
  const bytes = Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length)]);
  const placed = tensors.map((tensor, i) => ({
    ...tensor,
    begin: bytes.length + offsets[i],
    bytes: tensorBytes(tensor),
  }));
  return { bytes, placed };
}

/** The next place where a tensor may begin. */
export function padded(bytes: number): number {
  return Math.ceil(bytes / alignmentBytes) * alignmentBytes;
}

/**
 * Reads a header as `headerBytes` writes it, and as other writers do where they use the same types.
 * @param available the file's first bytes; @param fileBytes its length.
 * @throws HeaderTooShort when more bytes are needed; RangeError saying what is wrong, as in "it …".
 */
export function parseHeader(available: Uint8Array, fileBytes: number): GgufHeader {
  const cursor = new Cursor(available, fileBytes);
  if (cursor.take(4).toString("latin1") !== "GGUF") throw new RangeError("does not begin with GGUF");
  const version = cursor.uint32();
  if (version !== 3) throw new RangeError(`is of version ${version}, known is 3`);
  const tensorCount = cursor.count("tensors", leastTensorBytes);
  const valueCount = cursor.count("metadata values", leastValueBytes);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < valueCount; i++) {
    const key = cursor.text();
    if (metadata.has(key)) throw new RangeError(`has the key ${shown(key)} twice`);
    metadata.set(key, readValue(cursor, key));
  }
  if (metadata.has("general.alignment")) throw new RangeError("sets an alignment of its own, known is 32");
  const described = Array.from({ length: tensorCount }, () => readTensor(cursor));
  return { metadata, ...place(described, padded(cursor.at), fileBytes) };
}

// Sizes

/** A name's length, a number of dimensions, one dimension, a type, an offset. */
const leastTensorBytes = 8 + 4 + 8 + 4 + 8;
/** A key's length, a type, a value. */
const leastValueBytes = 8 + 4 + 1;

function tensorBytes({ name, type, shape }: TensorDescription): number {
  const { size, bytes } = ggmlTypes[type];
  const elements = shape.reduce((product, length) => product * length, 1);
  const inner = shape.at(-1) ?? 0;
  const total = (elements / size) * bytes;
  if (
    shape.length < 1 ||
    shape.length > 4 ||
    inner % size !== 0 ||
    !Number.isSafeInteger(total) ||
    total <= 0
  )
    throw new RangeError(`gives tensor ${shown(name)} the shape [${shape}], which ${type} cannot hold`);
  return total;
}

/** Tensors must follow one another, each at the next multiple of 32, up to the end of the file. */
function place(
  described: readonly (TensorDescription & { readonly offset: number })[],
  dataBegin: number,
  fileBytes: number,
): Pick<GgufHeader, "tensors" | "end"> {
  const tensors = new Map<string, PlacedTensor>();
  let end = dataBegin;
  for (const { offset, ...tensor } of described) {
    if (tensors.has(tensor.name)) throw new RangeError(`has the tensor ${shown(tensor.name)} twice`);
    const bytes = tensorBytes(tensor);
    if (dataBegin + offset !== end) {
      throw new RangeError(
        `places tensor ${shown(tensor.name)} at ${offset} of its data, not at ${end - dataBegin}`,
      );
    }
    tensors.set(tensor.name, { ...tensor, begin: end, bytes });
    end += padded(bytes);
  }
  if (end !== fileBytes) throw new RangeError(`has ${fileBytes} bytes, its tensors end at ${end}`);
  return { tensors, end };
}

// Values

const typeIds = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

function valueBytes(value: GgufValue): Buffer[] {
  switch (value.type) {
    case "uint32":
      return [uint32(typeIds.uint32), uint32(value.value)];
    case "int32":
      return [uint32(typeIds.int32), bytesOf(Int32Array.of(value.value))];
    case "float32":
      return [uint32(typeIds.float32), bytesOf(Float32Array.of(value.value))];
    case "bool":
      return [uint32(typeIds.bool), Buffer.of(Number(value.value))];
    case "string":
      return [uint32(typeIds.string), text(value.value)];
    case "strings":
      return [...arrayHead("string", value.values.length), ...value.values.map(text)];
    case "int32s":
      return [...arrayHead("int32", value.values.length), bytesOf(value.values)];
    case "float32s":
      return [...arrayHead("float32", value.values.length), bytesOf(value.values)];
  }
}

function arrayHead(of: keyof typeof typeIds, length: number): Buffer[] {
  return [uint32(typeIds.array), uint32(typeIds[of]), uint64(length)];
}

function readValue(cursor: Cursor, key: string): GgufValue {
  const type = cursor.uint32();
  switch (type) {
    case typeIds.uint32:
      return { type: "uint32", value: cursor.uint32() };
    case typeIds.int32:
      return { type: "int32", value: cursor.take(4).readInt32LE() };
    case typeIds.float32:
      return { type: "float32", value: cursor.take(4).readFloatLE() };
    case typeIds.bool:
      return { type: "bool", value: cursor.take(1)[0] !== 0 };
    case typeIds.string:
      return { type: "string", value: cursor.text() };
    case typeIds.array:
      return readArray(cursor, key);
    default:
      throw new RangeError(`has a value of type ${type} for ${shown(key)}`);
  }
}

function readArray(cursor: Cursor, key: string): GgufValue {
  const of = cursor.uint32();
  if (of === typeIds.string) {
    const length = cursor.count(`texts for ${shown(key)}`, 8);
    return { type: "strings", values: Array.from({ length }, () => cursor.text()) };
  }
  if (of !== typeIds.int32 && of !== typeIds.float32)
    throw new RangeError(`has a list of type ${of} for ${shown(key)}`);
  const bytes = cursor.take(4 * cursor.count(`numbers for ${shown(key)}`, 4));
  const copy = new Uint8Array(bytes).buffer;
  return of === typeIds.int32
    ? { type: "int32s", values: new Int32Array(copy) }
    : { type: "float32s", values: new Float32Array(copy) };
}

function readTensor(cursor: Cursor): TensorDescription & { readonly offset: number } {
  const name = cursor.text();
  const dimensions = cursor.uint32();
  if (dimensions < 1 || dimensions > 4)
    throw new RangeError(`gives tensor ${shown(name)} ${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => cursor.uint64()).reverse();
  const id = cursor.uint32();
  const type = (Object.keys(ggmlTypes) as GgmlType[]).find((each) => ggmlTypes[each].id === id);
  if (type === undefined) throw new RangeError(`gives tensor ${shown(name)} the unknown type ${id}`);
  return { name, type, shape, offset: cursor.uint64() };
}

function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}...` : name);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}
