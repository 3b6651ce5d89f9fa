import { randomUUID } from "node:crypto";
import { rm, stat, utimes } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileError, isMissing } from "./file-error.js";
import {
  createWhole,
  holderIn,
  isGone,
  lockHolder,
  readLock,
  removeStale,
  thisProcess,
} from "./lock-file.js";

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
  const isStillAlone = async () => (await readLock(lock)) === own;
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
      if (await createWhole(lock, own)) return;
    } catch (error) {
      throw fileError("write", lock, error);
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
    const holder = await readLock(lock);
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
  const holder = holderIn(text, lockHolder);
  return holder !== null && isGone(holder);
}

async function takeAway(lock: string, text: string): Promise<void> {
  try {
    await removeStale(lock, text);
  } catch (error) {
    throw fileError("write", lock, error);
  }
}
