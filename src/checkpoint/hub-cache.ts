import { randomUUID } from "node:crypto";
import { lstat, mkdir, readdir, readFile, readlink, rename, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { LuthierError } from "../error.js";
import { writeAtomically } from "./atomic.js";
import { fileError, isMissing } from "./file-error.js";

/*
 * The cache on the disk, laid out as Python's huggingface_hub does, so that both share their downloads:
 *
 *     models--org--name/blobs/<hash>               the files, by content
 *                       refs/<revision>            the commit that a branch or tag meant when it was last asked for
 *                       snapshots/<commit>/<path>  links to the blobs
 *     .locks/models--org--name/                      of downloads under way
 */

export type RepositoryKind = "model" | "dataset";

/** A repository of the hub at a branch, tag or commit. */
export interface RepositoryId {
  readonly kind: RepositoryKind;
  /** `org/name`. */
  readonly name: string;
  readonly revision: string;
}

/** @param id `org/name` or `org/name@revision`; the revision is `main` unless given. */
export function parseRepositoryId(kind: RepositoryKind, id: string): RepositoryId {
  const parts = /^(?<name>\w[\w.-]{0,95}\/\w[\w.-]{0,95})(?:@(?<revision>\w[\w./-]{0,199}))?$/.exec(
    id,
  )?.groups;
  if (parts === undefined || /\.\.|\/\/|\/$|--|\/\./.test(id)) {
    throw new LuthierError(
      `${JSON.stringify(id)} is no ${kind} of the hub`,
      "Write org/name or org/name@revision, such as Qwen/Qwen3-0.6B@main.",
      { usage: true },
    );
  }
  return { kind, name: parts.name, revision: parts.revision ?? "main" };
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** The cache, by the environment variables that Python's library reads too. */
export function hubCacheFolder(environment: NodeJS.ProcessEnv): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = environment;
  const home = HF_HOME || path.join(XDG_CACHE_HOME || path.join(homedir(), ".cache"), "huggingface");
  return path.resolve(HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || path.join(home, "hub"));
}

/** The folder of a repository in the cache. */
export function repositoryFolder({ kind, name }: RepositoryId, environment: NodeJS.ProcessEnv): string {
  return path.join(hubCacheFolder(environment), `${kind}s--${name.replace("/", "--")}`);
}

export function snapshotFolder(folder: string, commit: string): string {
  return path.join(folder, "snapshots", commit);
}

/** Where the content of that hash belongs. */
export function blobPath(folder: string, hash: string): string {
  return path.join(folder, "blobs", hash);
}

/** The lock of those who download that blob; Python's library has locks of its own in the same folder. */
export function lockPath(folder: string, hash: string): string {
  return path.join(path.dirname(folder), ".locks", path.basename(folder), `${hash}.luthier`);
}

/** The commit that a revision meant when it was last downloaded, or null. */
export async function cachedCommit(folder: string, revision: string): Promise<string | null> {
  if (isCommit(revision)) return revision;
  const file = path.join(folder, "refs", revision);
  try {
    const commit = (await readFile(file, "utf8")).trim();
    return isCommit(commit) ? commit : null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw fileError("read", file, error);
  }
}

export async function rememberCommit(folder: string, revision: string, commit: string): Promise<void> {
  if (isCommit(revision) || (await cachedCommit(folder, revision)) === commit) return;
  const file = path.join(folder, "refs", revision);
  await makeFolder(path.dirname(file));
  await writeAtomically(file, [Buffer.from(commit)]);
}

/** The files of a snapshot as paths within it, in order; none when there is no such snapshot. */
export async function snapshotPaths(snapshot: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(snapshot, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => path.relative(snapshot, path.join(entry.parentPath, entry.name)))
      .sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError("read", snapshot, error);
  }
}

/** Links a snapshot's file to its blob, in place of whatever the link was before. */
export async function linkBlob(snapshot: string, name: string, blob: string): Promise<string> {
  const link = path.join(snapshot, name);
  const folder = path.dirname(link);
  const to = path.relative(folder, blob);
  try {
    if ((await readlink(link).catch(() => null)) === to) return link;
    await mkdir(folder, { recursive: true });
    const fresh = `${blob}.${randomUUID()}.link`;
    await symlink(to, fresh);
    await rename(fresh, link); // whoever reads it meanwhile finds the old link or the new one
  } catch (error) {
    throw fileError("write", link, error);
  }
  return link;
}

export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw fileError("write", folder, error);
  }
}

/** Bytes of a file, or null when there is none. */
export async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await lstat(file)).size;
  } catch (error) {
    if (isMissing(error)) return null;
    throw fileError("read", file, error);
  }
}
