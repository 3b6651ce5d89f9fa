import { randomUUID } from "node:crypto";
import { readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { fileError, isMissing } from "./file-error.js";
import { isGone, removeStale, thisProcess } from "./lock-holder.js";

/** A lock that has not been renewed for so long belongs to nobody, whichever machine took it. */
const silenceMilliseconds = 30_000;
const pollMilliseconds = 100;

/** How long is waited for others. */
interface Patience {
  /** Milliseconds without renewal after which a lock is taken over. */
  readonly silence?: number;
  /** Ends the wait; not the work. */
  readonly signal?: AbortSignal;
}

/**
 * Does work while nobody else, in this process or another, here or on a machine that shares the disk, does work under the
 * same lock; waits until then. Holders renew their lock as long as they live. One whose process is gone, or that was not
 * renewed for half a minute as the waiting process counts it (clocks of machines differ), is taken over.
 *
 * @param lock a file of no other use, in a folder that exists.
 * @param work is told how to ask whether the lock is still its own: a process that was suspended may have lost it.
 */
export async function alone<T>(
  lock: string,
  work: (isStillAlone: () => Promise<boolean>) => Promise<T>,
  { silence = silenceMilliseconds, signal }: Patience = {},
): Promise<T> {
  const own = JSON.stringify({ ...(await thisProcess()), mark: randomUUID() });
  await take(lock, own, silence, signal);
  const renewal = setInterval(() => renew(lock), silence / 10).unref();
  const isStillAlone = async () => (await holderOf(lock)) === own;
  try {
    return await work(isStillAlone);
  } finally {
    clearInterval(renewal);
    if (await isStillAlone()) await rm(lock, { force: true });
  }
}

async function take(lock: string, own: string, silence: number, signal?: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await writeFile(lock, own, { flag: "wx" });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw fileError("write", lock, error);
    }
    await untilFree(lock, silence, signal);
  }
}

function renew(lock: string): void {
  const now = new Date();
  utimes(lock, now, now).catch(() => {}); // a lock that was taken away is found out when work asks
}

/** Waits until the lock is given back, or takes it away from a holder that is gone. */
async function untilFree(lock: string, silence: number, signal?: AbortSignal): Promise<void> {
  let seen = { holder: "", renewedMs: 0, since: performance.now() };
  for (;;) {
    const holder = await holderOf(lock);
    const renewedMs = await renewalOf(lock);
    if (holder === null || renewedMs === null) return;
    if (holder !== seen.holder || renewedMs !== seen.renewedMs) {
      seen = { holder, renewedMs, since: performance.now() };
    }
    if ((await hasEnded(holder)) || performance.now() - seen.since > silence) return takeAway(lock, holder);
    await sleep(pollMilliseconds);
    signal?.throwIfAborted();
  }
}

async function holderOf(lock: string): Promise<string | null> {
  try {
    return await readFile(lock, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw fileError("read", lock, error);
  }
}

async function renewalOf(lock: string): Promise<number | null> {
  try {
    return (await stat(lock)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return null;
    throw fileError("read", lock, error);
  }
}

/** Whether what is written in a lock names a process of this machine that has ended. */
async function hasEnded(text: string): Promise<boolean> {
  const holder = holderSchema.safeParse(parsed(text));
  return holder.success && isGone(holder.data);
}

const holderSchema = z.object({
  host: z.string(),
  pid: z.int().positive(),
  processStart: z.string().nullable(),
});

/** Undefined while it is being written. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function takeAway(lock: string, holder: string): Promise<void> {
  try {
    await removeStale(lock, async (file) => (await holderOf(file)) === holder);
  } catch (error) {
    throw fileError("write", lock, error);
  }
}
