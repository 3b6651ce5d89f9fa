import { type FileHandle, open } from "node:fs/promises";
import { LuthierError } from "../error.js";
import { type Dtype, dtypeBytes, isDtype } from "../tensor/dtype.js";
import { type WrittenFile, writeAtomically } from "./atomic.js";
import { fileError } from "./file-error.js";
import { hashOf } from "./file-hash.js";
import { duplicateKey, isJsonObject, parseJsonObject } from "./json-file.js";

/*
 * The safetensors format (https://github.com/huggingface/safetensors): 8 bytes of header length (little-endian), a JSON
 * header, then the tensors' bytes. The reader is as strict as the reference implementation: the offsets must tile the
 * data exactly, so a file holds nothing that its header does not name.
 */

/** Where one tensor lies in a safetensors file. */
export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** The file's path, as it was opened. */
  readonly file: string;
  /** Byte offset of the first element from the start of the file. */
  readonly begin: number;
  /** Length in bytes. */
  readonly bytes: number;
}

export interface SafetensorsHeader {
  /** By name, in the order in which they lie in the file. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface NamedTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Row-major, little-endian; as a stream when the tensor should not sit in memory. */
  readonly bytes: Uint8Array | AsyncIterable<Uint8Array>;
}

/** The reference implementation refuses larger headers, so that nobody allocates by a stranger's word. */
const headerBytesLimit = 100_000_000;
const lengthBytes = 8;
const metadataKey = "__metadata__";

/** @throws LuthierError naming the file, and the tensor where there is one, when anything is not as the format says. */
export async function readHeader(file: string): Promise<SafetensorsHeader> {
  try {
    const handle = await open(file, "r");
    try {
      return await headerOf(handle, file);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError("read", file, error);
  }
}

/**
 * Writes a safetensors file atomically. The same tensors and metadata give the same bytes in whatever order they come:
 * larger dtypes lie first (so that each is aligned to its own size), then by name.
 *
 * @throws LuthierError when the file system refuses; RangeError when a tensor's bytes and shape disagree.
 */
export async function writeSafetensors(
  file: string,
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<WrittenFile> {
  return writeSafetensorsInOrder(file, [...tensors].sort(byAlignmentThenName), metadata);
}

/**
 * As `writeSafetensors`, but the tensors lie in the order in which they come: for those that are made together while
 * they are written. Whoever gives an order sees to the alignment.
 */
export async function writeSafetensorsInOrder(
  file: string,
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>>,
): Promise<WrittenFile> {
  return writeAtomically(file, fileBytes(headerBytes(tensors, metadata), tensors));
}

/** Size and sha256 of the file that `writeSafetensors` would write. */
export async function hashSafetensors(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>>,
): Promise<WrittenFile> {
  const ordered = [...tensors].sort(byAlignmentThenName);
  return hashOf(fileBytes(headerBytes(ordered, metadata), ordered));
}

// Reading

async function headerOf(handle: FileHandle, file: string): Promise<SafetensorsHeader> {
  const { size } = await handle.stat();
  const length = Buffer.alloc(lengthBytes);
  if ((await handle.read(length, 0, lengthBytes, 0)).bytesRead < lengthBytes) {
    throw fault(file, `has ${size} bytes, too few for a header's length`);
  }
  const declared = length.readBigUInt64LE();
  if (declared > headerBytesLimit) {
    throw fault(file, `declares a header of ${declared} bytes; the limit is ${headerBytesLimit}`);
  }
  const bytes = Number(declared);
  const dataBegin = lengthBytes + bytes;
  if (dataBegin > size) throw fault(file, `declares a header of ${bytes} bytes but has only ${size} in all`);
  const text = Buffer.alloc(bytes);
  if ((await handle.read(text, 0, bytes, lengthBytes)).bytesRead < bytes) {
    throw fault(file, "became shorter while it was read");
  }
  return parseHeader(text, file, dataBegin, size);
}

function parseHeader(text: Buffer, file: string, dataBegin: number, size: number): SafetensorsHeader {
  const json = parseJsonObject(text, `the header of ${file}`);
  const twice = duplicateKey(text.toString("utf8"));
  if (twice !== null) throw fault(file, `has the key ${JSON.stringify(twice)} twice in its header`);
  const { [metadataKey]: metadata = {}, ...entries } = json;
  const tensors = Object.entries(entries)
    .map(([name, entry]) => [name, tensorInfo(entry, file, name, dataBegin, size)] as const)
    .sort(([, a], [, b]) => a.begin - b.begin || a.bytes - b.bytes);
  checkTiling(tensors, file, dataBegin, size);
  return { tensors: new Map(tensors), metadata: checkedMetadata(metadata, file) };
}

function tensorInfo(entry: unknown, file: string, name: string, dataBegin: number, size: number): TensorInfo {
  const refuse = (what: string) => fault(file, `tensor ${JSON.stringify(name)} ${what}`);
  if (!isJsonObject(entry)) throw refuse("is not described by an object");
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !isDtype(dtype)) {
    throw refuse(`has the dtype ${shown(dtype)}; known are ${Object.keys(dtypeBytes).join(", ")}`);
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) throw refuse(`has the shape ${shown(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw refuse(`has the data_offsets ${shown(offsets)}`);
  }
  const [begin, end] = offsets;
  if (end < begin) throw refuse(`has reversed data_offsets ${shown(offsets)}`);
  if (end > size - dataBegin) {
    throw refuse(`ends at byte ${end} of the data, but there are only ${size - dataBegin}`);
  }
  const bytes = byteLength(dtype, shape);
  if (bytes === null) throw refuse(`has the shape ${shown(shape)}, more elements than can be counted`);
  if (bytes !== end - begin) {
    throw refuse(`has ${end - begin} bytes, but ${dtype} of shape ${shown(shape)} takes ${bytes}`);
  }
  return { dtype, shape, file, begin: dataBegin + begin, bytes };
}

/** Each tensor must begin where the one before it ended, and the last one must end the file. */
function checkTiling(
  placed: readonly (readonly [string, TensorInfo])[],
  file: string,
  dataBegin: number,
  size: number,
): void {
  let end = dataBegin;
  for (const [name, { begin, bytes }] of placed) {
    if (begin < end) throw fault(file, `tensor ${JSON.stringify(name)} overlaps the one before it`);
    if (begin > end) {
      throw fault(file, `leaves a hole of ${begin - end} bytes before tensor ${JSON.stringify(name)}`);
    }
    end += bytes;
  }
  if (end !== size) throw fault(file, `has ${size - end} bytes after its last tensor`);
}

function checkedMetadata(metadata: unknown, file: string): Readonly<Record<string, string>> {
  if (!isJsonObject(metadata)) throw fault(file, `has a ${metadataKey} that is not an object`);
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== "string") {
      throw fault(
        file,
        `has the value ${shown(value)} for ${JSON.stringify(key)} in ${metadataKey}, not a text`,
      );
    }
  }
  return metadata as Readonly<Record<string, string>>;
}

/** Bytes that a tensor takes, or null when they exceed the safe integers. */
function byteLength(dtype: Dtype, shape: readonly number[]): number | null {
  let bytes: number = dtypeBytes[dtype];
  for (const dimension of shape) {
    bytes *= dimension;
    if (!Number.isSafeInteger(bytes)) return null;
  }
  return bytes;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A stranger's value in a message: not longer than a line. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "none";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function fault(file: string, what: string): LuthierError {
  return new LuthierError(
    `${file} is not a sound safetensors file: it ${what}`,
    "Fetch the file again, or save the checkpoint again with the safetensors library.",
  );
}

// Writing

function headerBytes(ordered: readonly NamedTensor[], metadata: Readonly<Record<string, string>>): Buffer {
  // Built by hand because an object would put keys such as "0" first and treat "__proto__" as its own.
  const entries: string[] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    entries.push(`${JSON.stringify(metadataKey)}:{${pairs.join(",")}}`);
  }
  const names = new Set<string>([metadataKey]);
  let begin = 0;
  for (const { name, dtype, shape } of ordered) {
    if (names.has(name)) throw new RangeError(`a tensor may not be named ${name}: taken`);
    names.add(name);
    const bytes = shape.every(isCount) ? byteLength(dtype, shape) : null;
    if (bytes === null) throw new RangeError(`${name} cannot have the shape [${shape.join(", ")}]`);
    const place = { dtype, shape, data_offsets: [begin, begin + bytes] };
    entries.push(`${JSON.stringify(name)}:${JSON.stringify(place)}`);
    begin += bytes;
  }
  const json = Buffer.from(`{${entries.join(",")}}`);
  const padded = Math.ceil(json.length / lengthBytes) * lengthBytes;
  if (padded > headerBytesLimit)
    throw new RangeError(`a header of ${padded} bytes: ${ordered.length} tensors`);
  const header = Buffer.alloc(lengthBytes + padded, " ");
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, lengthBytes);
  return header;
}

async function* fileBytes(header: Buffer, ordered: readonly NamedTensor[]): AsyncGenerator<Uint8Array> {
  yield header;
  for (const { name, dtype, shape, bytes } of ordered) {
    let written = 0;
    for await (const chunk of bytes instanceof Uint8Array ? [bytes] : bytes) {
      yield chunk;
      written += chunk.length;
    }
    const expected = byteLength(dtype, shape);
    if (written !== expected) {
      throw new RangeError(
        `${name} came with ${written} bytes; ${dtype} [${shape.join(", ")}] takes ${expected}`,
      );
    }
  }
}

function byAlignmentThenName(a: NamedTensor, b: NamedTensor): number {
  return dtypeBytes[b.dtype] - dtypeBytes[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}
