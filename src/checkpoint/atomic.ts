import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { fileError } from "./file-error.js";

export interface WrittenFile {
  readonly bytes: number;
  /** Of the file's bytes, in hexadecimal. */
  readonly sha256: string;
}

/**
 * Writes a file so that it is there whole or not at all: into a temporary file beside it, flushed to the disk, then
 * renamed over `file`. When anything fails, `chunks` included, the temporary file is removed and `file` is as it was.
 *
 * @throws LuthierError when the file system refuses (no space, no permission, no such folder).
 */
export async function writeAtomically(
  file: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<WrittenFile> {
  const directory = path.dirname(file);
  const temporary = temporaryBeside(file);
  try {
    const written = await writeAndFlush(temporary, chunks);
    await rename(temporary, file);
    await flushDirectory(directory);
    return written;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // the first error is the one to report
    throw fileError("write", file, error);
  }
}

/** The next bytes of one of several files. */
export interface Piece {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes several files of a folder side by side, each from its beginning in the order of its pieces. All are flushed to the
 * disk before the first takes its name; when anything fails before, none is there or changed.
 *
 * @throws LuthierError when the file system refuses.
 */
export async function writeTogether(
  folder: string,
  files: readonly string[],
  pieces: AsyncIterable<Piece>,
): Promise<void> {
  const opened = new Map<
    string,
    { readonly temporary: string; readonly handle: FileHandle; bytes: number }
  >();
  try {
    try {
      for (const file of files) {
        const temporary = temporaryBeside(path.join(folder, file));
        opened.set(file, { temporary, handle: await open(temporary, "wx"), bytes: 0 });
      }
      for await (const { file, bytes } of pieces) {
        const to = opened.get(file);
        if (to === undefined) throw new RangeError(`${file} is none of the files`);
        await writeFully(to.handle, bytes, to.bytes);
        to.bytes += bytes.length;
      }
      for (const { handle } of opened.values()) await handle.sync();
    } finally {
      for (const { handle } of opened.values()) await handle.close();
    }
    for (const [file, { temporary }] of opened) await rename(temporary, path.join(folder, file));
    await flushDirectory(folder);
  } catch (error) {
    for (const { temporary } of opened.values()) await rm(temporary, { force: true }).catch(() => {}); // the first error is the one to report
    throw fileError("write", folder, error);
  }
}

/** A name beside a file that nobody else writes, in this process or another, on this machine or one that shares the disk. */
export function temporaryBeside(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.${randomUUID()}.tmp`);
}

/** Whether a process that was killed may have left a file of this name. */
export function isTemporary(name: string): boolean {
  return /^\..+\.[0-9a-f-]{36}\.tmp$/.test(name);
}

/** Makes a folder and those above it, so that a power cut does not take them away again. @throws LuthierError when the file system refuses. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    const first = await mkdir(folder, { recursive: true });
    if (first === undefined) return;
    const top = path.dirname(path.resolve(first));
    for (let made = path.resolve(folder); made !== top; made = path.dirname(made))
      await flushDirectory(path.dirname(made));
  } catch (error) {
    throw fileError("make the folder", folder, error);
  }
}

/** A new name is safe from a power cut only when its directory has been flushed too. */
export async function flushDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes all of `bytes` at a position of the file: one call of the system may write only a part. */
export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

async function writeAndFlush(
  file: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<WrittenFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  const handle = await open(file, "wx");
  try {
    for await (const chunk of chunks) {
      hash.update(chunk);
      await writeFully(handle, chunk, bytes);
      bytes += chunk.length;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { bytes, sha256: hash.digest("hex") };
}
