import { AsyncLocalStorage } from "node:async_hooks";
import { rmSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { fileError } from "../checkpoint/file-error.js";
import {
  createWhole,
  holderIn,
  isGone,
  lockHolder,
  readLock,
  removeStale,
  thisProcess,
} from "../checkpoint/lock-file.js";
import { LuthierError } from "../error.js";
import type { Part } from "./part.js";
import { expectNoLinks } from "./run-contents.js";

/*
 * One process writes a folder at a time: two would take each other's unfinished files for leftovers. Or several do that are
 * parts of one count, each for itself. Who writes has a lock file in the folder that says who it is. A lock whose process is
 * gone, killed or lost with a power cut, is taken over.
 *
 * Everybody makes the own lock first and looks for those of others then. So of two that exclude each other at least one sees
 * the other's; at worst both do, and both are refused.
 */

/** The name of a whole process's lock file; it is no part of a run. A part's has its numbers at the end: `.luthier-lock.2-of-4`. */
export const lockFile = ".luthier-lock";

export function isLockFile(name: string): boolean {
  return name === lockFile || partOf(name) !== null;
}

/** The part whose lock has this name; null when none has. */
function partOf(name: string): Part | null {
  const [, index, count] = /^\.luthier-lock\.(\d+)-of-(\d+)$/.exec(name) ?? [];
  return index === undefined ? null : { index: Number(index), count: Number(count) };
}

function nameOf(part: Part | null): string {
  return part ? `${lockFile}.${part.index}-of-${part.count}` : lockFile;
}

/** Whether two locks cannot be held at one time. */
function exclude(name: string, other: string): boolean {
  const [one, two] = [partOf(name), partOf(other)];
  return one === null || two === null || one.count !== two.count;
}

const holderSchema = lockHolder.extend({
  /** When it took the lock, ISO 8601. */
  since: z.string(),
  /** Its command line. */
  command: z.string(),
});

type Holder = z.infer<typeof holderSchema>;

/** Lock files that are held around what is being done: work within a lock may ask for it again. */
const held = new AsyncLocalStorage<ReadonlySet<string>>();

/** Locks of this process, which do not outlast it where it ends by itself: nobody on another machine could tell that it has. */
const owned = new Set<string>();
process.on("exit", () => {
  for (const file of owned) rmSync(file, { force: true });
});

/**
 * Does work that writes a folder while nobody else does.
 * @param part others of as many parts may do theirs meanwhile.
 * @throws LuthierError naming the process that writes it now, or a link on which writing would leave the folder.
 */
export async function withLock<T>(
  folder: string,
  work: () => Promise<T>,
  part: Part | null = null,
): Promise<T> {
  const file = path.resolve(folder, nameOf(part));
  const around = held.getStore() ?? new Set();
  if (around.has(file)) return work();
  await expectNoLinks(folder);
  await takeLock(file, folder);
  owned.add(file);
  try {
    return await held.run(new Set([...around, file]), work);
  } finally {
    owned.delete(file);
    await rm(file, { force: true });
  }
}

async function takeLock(file: string, folder: string): Promise<void> {
  const own: Holder = {
    ...(await thisProcess()),
    since: new Date().toISOString(),
    command: process.argv.slice(1).join(" "),
  };
  try {
    await mkdir(path.dirname(file), { recursive: true });
    while (!(await createWhole(file, `${JSON.stringify(own)}\n`))) await expectStale(file, own, folder);
    try {
      for (const name of await readdir(folder)) {
        const other = path.resolve(folder, name);
        if (isLockFile(name) && other !== file && exclude(path.basename(file), name))
          await expectStale(other, own, folder);
      }
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
  } catch (error) {
    throw fileError("lock", folder, error);
  }
}

/** Takes another's lock away when nobody holds it any more. @throws LuthierError naming who does. */
async function expectStale(file: string, own: Holder, folder: string): Promise<void> {
  const text = await readLock(file);
  if (text === null) return;
  const holder = holderIn(text, holderSchema);
  if (holder !== null && !(await isGone(holder))) throw heldBy(holder, own, folder, file);
  await removeStale(file, text);
}

function heldBy(holder: Holder, own: Holder, folder: string, file: string): LuthierError {
  const elsewhere = holder.host !== own.host;
  return new LuthierError(
    `${folder} is being written by process ${holder.pid}${elsewhere ? ` on ${holder.host}` : ""} since ${holder.since} (${holder.command})`,
    elsewhere
      ? `wait for it, or choose another folder; if that process is gone, delete ${file}`
      : "wait for it or stop it, or choose another folder (--out, or --keep for answers)",
    { usage: true },
  );
}
