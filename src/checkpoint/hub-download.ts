import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { LuthierError } from "../error.js";
import { flushDirectory, writeFully } from "./atomic.js";
import { fileError } from "./file-error.js";
import { makeFolder, sizeOf } from "./hub-cache.js";
import { alone } from "./hub-lock.js";
import { type HubAnswer, leave, retryWaits } from "./hub-request.js";

/** A file of a repository, as the hub lists it. */
export interface RemoteFile {
  readonly path: string;
  readonly bytes: number;
  /** Names the blob: sha256 of the content for large files, the git object id for others. */
  readonly hash: string;
  readonly hashKind: "sha256" | "git";
}

export interface DownloadProgress {
  readonly file: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface Download {
  readonly file: RemoteFile;
  /** Where it is to lie, and the lock of those who bring it there. */
  readonly blob: string;
  readonly lock: string;
  /** Asks for its bytes from an offset on (`range` is a header, absent for the whole file). */
  readonly get: (headers: Readonly<Record<string, string>>) => Promise<HubAnswer>;
  readonly wait: (milliseconds: number) => Promise<void>;
  /** Ends the wait for another process; `get` and `wait` end by themselves then. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/**
 * Downloads a file into `blob`, by way of an incomplete file beside it, which is kept when the connection breaks and
 * continued by the next call. As long as each attempt gets further another one follows at once; a few that do not are
 * waited between. Of several processes that want the same file one downloads it and the others wait.
 *
 * @throws LuthierError when the connection gives way for good, the file is not what the hub listed, or the disk refuses.
 */
export async function downloadBlob(download: Download): Promise<void> {
  const { file, blob, lock, signal, onProgress } = download;
  const isThere = async () => (await sizeOf(blob)) === file.bytes;
  let isOwnWork = false;
  while (!(await isThere())) {
    for (const needed of [blob, lock]) await makeFolder(path.dirname(needed));
    const work = async (isStillAlone: () => Promise<boolean>) => {
      if (await isThere()) return;
      isOwnWork = true;
      await downloadIncomplete(download);
      // A process that was suspended for long may have been taken for dead: then another one has begun anew.
      if (await isStillAlone()) await putInPlace(incompleteOf(blob), blob);
    };
    await alone(lock, work, { signal });
  }
  if (!isOwnWork) onProgress({ file: file.path, doneBytes: file.bytes, totalBytes: file.bytes });
}

/** Python's library has another name for its own: neither writes into the other's. */
function incompleteOf(blob: string): string {
  return `${blob}.luthier.incomplete`;
}

async function downloadIncomplete(download: Download): Promise<void> {
  const { file, blob, wait } = download;
  const incomplete = incompleteOf(blob);
  let isLeftover = ((await sizeOf(incomplete)) ?? 0) > 0;
  let reached = -1;
  let fruitless = 0;
  for (;;) {
    const attempt = await continueDownload(download, incomplete).catch((error: unknown) => {
      if (!(error instanceof OtherContent) || !isLeftover) throw fileError("write", incomplete, error);
      return null;
    });
    if (attempt === null) {
      isLeftover = false; // what an earlier process left was at fault, or was said to be: once from the beginning
      reached = -1;
      continue;
    }
    if (attempt.doneBytes === file.bytes) return;
    if (attempt.doneBytes > reached) fruitless = 0;
    else if (fruitless < retryWaits.length) await wait(retryWaits[fruitless++]);
    else throw attempt.lost;
    reached = Math.max(reached, attempt.doneBytes);
  }
}

/** What came is not what was listed; nothing of it is kept. */
class OtherContent extends LuthierError {}

interface Attempt {
  /** Bytes on the disk. */
  readonly doneBytes: number;
  /** Why it ended early, if it did. */
  readonly lost: LuthierError | null;
}

/** An incomplete file and the hash of what it holds so far. */
interface Partial {
  readonly name: string;
  readonly handle: FileHandle;
  hash: Hash;
  doneBytes: number;
}

async function continueDownload({ file, get, onProgress }: Download, incomplete: string): Promise<Attempt> {
  const partial = await openPartial(file, incomplete);
  const report = () => onProgress({ file: file.path, doneBytes: partial.doneBytes, totalBytes: file.bytes });
  try {
    report();
    const lost = partial.doneBytes < file.bytes ? await receive(partial, file, get, report) : null;
    const { doneBytes, hash } = partial;
    if (doneBytes === file.bytes) {
      if (hash.digest("hex") !== file.hash)
        throw await refused(partial, file, "has another content than listed");
      await partial.handle.sync();
    }
    return { doneBytes, lost };
  } finally {
    await partial.handle.close();
  }
}

/** Appends what the hub sends. Returns why it broke off, or null when the file is complete. */
async function receive(
  partial: Partial,
  file: RemoteFile,
  get: Download["get"],
  report: () => void,
): Promise<LuthierError | null> {
  const answer = await get(partial.doneBytes > 0 ? { range: `bytes=${partial.doneBytes}-` } : {});
  if (answer.status === 206 && !continuesAt(answer, partial.doneBytes)) {
    await restart(partial, file); // another part than was asked for: the next attempt asks for all
    await leave(answer);
    return brokenOff(partial, file, null);
  }
  if (answer.status !== 206 && partial.doneBytes > 0) await restart(partial, file);
  try {
    for await (const chunk of answer.content) {
      await append(partial, file, chunk);
      report();
    }
  } catch (error) {
    if (error instanceof LuthierError) throw error; // of the disk or the content; all others are the connection's
    return brokenOff(partial, file, error);
  }
  return partial.doneBytes < file.bytes ? brokenOff(partial, file, null) : null;
}

async function openPartial(file: RemoteFile, incomplete: string): Promise<Partial> {
  await (await open(incomplete, "a")).close(); // "r+" alone does not make the file
  const handle = await open(incomplete, "r+");
  try {
    const partial: Partial = { name: incomplete, handle, hash: newHash(file), doneBytes: 0 };
    const { size } = await handle.stat();
    if (size > file.bytes) {
      await restart(partial, file);
    } else {
      for await (const chunk of handle.createReadStream({ start: 0, autoClose: false }))
        partial.hash.update(chunk);
      partial.doneBytes = size;
    }
    return partial;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function restart(partial: Partial, file: RemoteFile): Promise<void> {
  await partial.handle.truncate(0);
  partial.hash = newHash(file);
  partial.doneBytes = 0;
}

async function append(partial: Partial, file: RemoteFile, chunk: Uint8Array): Promise<void> {
  if (partial.doneBytes + chunk.length > file.bytes) {
    throw await refused(partial, file, `has more than the ${file.bytes} bytes listed`);
  }
  try {
    await writeFully(partial.handle, chunk, partial.doneBytes);
  } catch (error) {
    throw fileError("write", partial.name, error);
  }
  partial.hash.update(chunk);
  partial.doneBytes += chunk.length;
}

function newHash({ hashKind, bytes }: RemoteFile): Hash {
  if (hashKind === "sha256") return createHash("sha256");
  // What git hashes of a file: a header, then the content.
  return createHash("sha1").update(`blob ${bytes}\0`);
}

/** Whether a part of a file (status 206) begins where was asked; a server without ranges sends the whole with status 200. */
function continuesAt({ headers }: HubAnswer, offset: number): boolean {
  return offset > 0 && headers.get("content-range")?.startsWith(`bytes ${offset}-`) === true;
}

async function putInPlace(incomplete: string, blob: string): Promise<void> {
  try {
    await rename(incomplete, blob);
    await flushDirectory(path.dirname(blob));
  } catch (error) {
    throw fileError("write", blob, error);
  }
}

async function refused(partial: Partial, file: RemoteFile, what: string): Promise<OtherContent> {
  await rm(partial.name, { force: true });
  return new OtherContent(
    `${file.path} as the hub sent it ${what} (${file.hashKind} ${file.hash})`,
    "Run again: it will be downloaded from its beginning. If that repeats, check HF_ENDPOINT and proxies on the way.",
  );
}

function brokenOff(partial: Partial, file: RemoteFile, cause: unknown): LuthierError {
  return new LuthierError(
    `the connection broke after ${partial.doneBytes} of ${file.bytes} bytes of ${file.path}`,
    "Run again: the download goes on where it stopped.",
    cause === null ? {} : { cause },
  );
}
