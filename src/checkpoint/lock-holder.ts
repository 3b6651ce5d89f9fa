import { link, readFile, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { temporaryBeside } from "./atomic.js";
import { isMissing } from "./file-error.js";

/* Whom a lock file names, and how it is taken from one who is gone. */

/** A process, told apart from all others. */
export interface LockHolder {
  readonly host: string;
  readonly pid: number;
  /** When it began, as the system counts it, so that a later process of the same number is told apart; null where that cannot be told. */
  readonly processStart: string | null;
}

export async function thisProcess(): Promise<LockHolder> {
  return { host: hostname(), pid: process.pid, processStart: await startOf(process.pid) };
}

/** Whether the process has ended. Of another machine's that cannot be told: false. */
export async function isGone({ host, pid, processStart }: LockHolder): Promise<boolean> {
  if (host !== hostname()) return false;
  if (!isAlive(pid)) return true;
  return processStart !== null && processStart !== (await startOf(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0); // asks, does nothing
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // somebody else's
  }
}

/** Boot and clock ticks since it, on Linux; null elsewhere. */
async function startOf(pid: number): Promise<string | null> {
  try {
    const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const status = await readFile(`/proc/${pid}/stat`, "utf8");
    // The second field, the name in parentheses, may hold anything; the start is the 22nd.
    const ticks = status.slice(status.lastIndexOf(")") + 2).split(" ")[19];
    return `${boot} ${ticks}`;
  } catch {
    return null;
  }
}

/**
 * Takes a stale lock away: of several that find it stale, only one does; and what another has put in its place comes back.
 * @param isStale whether the file there is the lock that was found stale.
 */
export async function removeStale(lock: string, isStale: (file: string) => Promise<boolean>): Promise<void> {
  const aside = temporaryBeside(lock);
  try {
    await rename(lock, aside);
    if (!(await isStale(aside))) await link(aside, lock);
  } catch (error) {
    const hasComeBack = (error as NodeJS.ErrnoException).code === "EEXIST";
    if (!isMissing(error) && !hasComeBack) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}
