import { type FileHandle, open } from "node:fs/promises";
import { LuthierError } from "../error.js";
import { type WrittenFile, writeAtomically } from "./atomic.js";
import { fileError } from "./file-error.js";
import { HeaderTooShort } from "./gguf-cursor.js";
import {
  type GgufHeader,
  type GgufMetadata,
  headerBytes,
  padded,
  parseHeader,
  type TensorDescription,
} from "./gguf-header.js";

/** A tensor to be written; its bytes are asked for when its turn comes. */
export interface GgufTensor extends TensorDescription {
  chunks(): AsyncIterable<Uint8Array>;
}

/**
 * Writes a GGUF file atomically, metadata and tensors in the order given, one tensor at a time.
 * @throws LuthierError when the file system refuses; RangeError when a tensor's bytes and shape disagree.
 */
export async function writeGguf(
  file: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensor[],
): Promise<WrittenFile> {
  return writeAtomically(file, fileBytes(metadata, tensors));
}

/** A GGUF file whose tensors can be read. */
export interface OpenGguf extends GgufHeader {
  /** @throws RangeError when there is no such tensor; LuthierError when the file became shorter. */
  read(name: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** @throws LuthierError when the file cannot be read or is no sound GGUF file. */
export async function openGguf(file: string): Promise<OpenGguf> {
  try {
    const handle = await open(file, "r");
    try {
      const header = await readHeader(handle, file);
      return {
        ...header,
        async read(name) {
          const tensor = header.tensors.get(name);
          if (tensor === undefined) throw new RangeError(`${file} has no tensor ${name}`);
          return readExactly(handle, file, tensor.begin, tensor.bytes);
        },
        close: () => handle.close(),
      };
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw fileError("read", file, error);
  }
}

async function* fileBytes(
  metadata: GgufMetadata,
  tensors: readonly GgufTensor[],
): AsyncGenerator<Uint8Array> {
  const { bytes, placed } = headerBytes(metadata, tensors);
  yield bytes;
  for (const [i, tensor] of tensors.entries()) {
    let written = 0;
    for await (const chunk of tensor.chunks()) {
      yield chunk;
      written += chunk.length;
    }
    const expected = placed[i].bytes;
    if (written !== expected)
      throw new RangeError(`${tensor.name} came with ${written} bytes, its shape takes ${expected}`);
    yield new Uint8Array(padded(written) - written);
  }
}

/** Headers are mostly vocabulary: one of 250,000 tokens with its merges takes some 12 MB. */
const firstReadBytes = 2 ** 24;
const headerBytesLimit = 2 ** 30;

async function readHeader(handle: FileHandle, file: string): Promise<GgufHeader> {
  const { size } = await handle.stat();
  for (let wanted = firstReadBytes; ; wanted *= 4) {
    const bytes = await readExactly(handle, file, 0, Math.min(size, wanted));
    try {
      return parseHeader(bytes, size);
    } catch (error) {
      if (error instanceof HeaderTooShort) {
        if (wanted < headerBytesLimit) continue;
        throw fault(file, `has a header of more than ${headerBytesLimit} bytes`);
      }
      if (error instanceof RangeError) throw fault(file, error.message);
      throw error;
    }
  }
}

/** Linux reads at most 2 GiB a call, and Node refuses to ask for more. */
const readBytesLimit = 1 << 30;

async function readExactly(
  handle: FileHandle,
  file: string,
  begin: number,
  bytes: number,
): Promise<Uint8Array> {
  const out = new Uint8Array(bytes); // at most what the file holds
  for (let done = 0; done < bytes; ) {
    const wanted = Math.min(bytes - done, readBytesLimit);
    const { bytesRead } = await handle.read(out, done, wanted, begin + done);
    if (bytesRead === 0) throw fault(file, "became shorter while it was read");
    done += bytesRead;
  }
  return out;
}

function fault(file: string, what: string): LuthierError {
  return new LuthierError(
    `${file} is not a sound GGUF file: it ${what}`,
    "write it again with `luthier pack`",
  );
}
