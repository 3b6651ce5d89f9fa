import { createHash } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { z } from "zod";
import { LuthierError } from "../error.js";
import { temporaryBeside, writeFully } from "./atomic.js";
import { readBounded } from "./bounded-file.js";
import { isMissing } from "./file-error.js";

/* Files that lock something: made whole or not at all, naming who has made them, and taken from one who is gone. */

/** A process, told apart from all others. */
export const lockHolder = z.object({
  host: z.string(),
  pid: z.int().positive(),
  /** When it began, as the system counts it, so that a later process of the same number is told apart; null where that cannot be told. */
  processStart: z.string().nullable(),
});

export type LockHolder = z.infer<typeof lockHolder>;

export async function thisProcess(): Promise<LockHolder> {
  return { host: hostname(), pid: process.pid, processStart: await startOf(process.pid) };
}

/** Makes the file unless there is one; it is never seen with less than all of its text. */
export async function createWhole(file: string, text: string): Promise<boolean> {
  const temporary = temporaryBeside(file);
  const handle = await open(temporary, "wx");
  try {
    await writeFully(handle, Buffer.from(text), 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(temporary, file); // fails when it is there, unlike a renaming
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A command line may be long. */
const textBytesLimit = 2 ** 24;

/** What a lock says: nothing when it is larger than a lock is, null when there is none. */
export async function readLock(file: string): Promise<string | null> {
  try {
    return Buffer.from(await readBounded(file, textBytesLimit)).toString("utf8");
  } catch (error) {
    if (!(error instanceof LuthierError)) throw error;
    if (isMissing(error.cause)) return null;
    if (error.cause === undefined) return "";
    throw error;
  }
}

/** Whom a lock names; null where it names nobody, as after a power cut. */
export function holderIn<Holder extends LockHolder>(text: string, schema: z.ZodType<Holder>): Holder | null {
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
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
 * Takes a stale lock away, unless somebody else does or has: for who looks again afterwards. Only who holds a lock on this very
 * text may, so that nobody can take what another has put in the stale one's place meanwhile; who dies with that is gone too.
 * @param text what the stale lock says.
 */
export async function removeStale(lock: string, text: string): Promise<void> {
  const remover = removerOf(lock, text);
  if (!(await createWhole(remover, JSON.stringify(await thisProcess())))) {
    const other = await readLock(remover);
    const holder = other === null ? null : holderIn(other, lockHolder);
    if (other !== null && (holder === null || (await isGone(holder)))) await removeStale(remover, other);
    return;
  }
  try {
    if ((await readLock(lock)) === text) await rm(lock, { force: true });
  } finally {
    await rm(remover, { force: true });
  }
}

/** Called as temporary files are: a leftover is removed with them. */
function removerOf(lock: string, text: string): string {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 36);
  return path.join(path.dirname(lock), `.${path.basename(lock)}.${hash}.tmp`);
}
