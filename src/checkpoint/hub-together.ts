import { LuthierError } from "../error.js";
import type { HubConnection } from "./hub-connection.js";
import type { DownloadProgress } from "./hub-download.js";

/** A choice: Python's library takes eight. Few are enough to fill a line while answers are waited for. */
const mostAtATime = 4;

export interface OneOfMany {
  /** Stops with the others. */
  readonly hub: HubConnection;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/**
 * Fetches files a few at a time, begun in their order. The first that fails stops the others and is what is thrown, when all
 * have come to rest: what came whole is kept, and of what did not, what came so far.
 *
 * @param fetch one of them, by its place in `files`.
 * @returns what `fetch` returns, in the files' order.
 */
export async function fetchTogether<T>(
  files: readonly { readonly path: string; readonly bytes: number }[],
  hub: HubConnection,
  onProgress: (progress: DownloadProgress) => void,
  fetch: (at: number, one: OneOfMany) => Promise<T>,
): Promise<readonly T[]> {
  const stop = new AbortController();
  const one = {
    hub: stopping(hub, stop.signal),
    signal: stop.signal,
    onProgress: summed(files, onProgress),
  };
  const fetched: T[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const inTurn = async () => {
    while (next < files.length && !stop.signal.aborted) {
      const at = next++;
      try {
        fetched[at] = await fetch(at, one);
      } catch (error) {
        failures.push(error);
        stop.abort(new Stopped());
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(mostAtATime, files.length) }, inTurn));
  if (failures.length > 0) throw failures[0];
  return fetched;
}

/** What stopped downloads end with: a LuthierError, so that nobody takes it for a connection to be tried again. Never shown. */
class Stopped extends LuthierError {
  constructor() {
    super("the download was stopped: another one failed", "See to that one.");
  }
}

function stopping(hub: HubConnection, signal: AbortSignal): HubConnection {
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  stopped.catch(() => {}); // when nobody waits
  return {
    ...hub,
    fetch: async (address, init) => {
      signal.throwIfAborted();
      const signals = init?.signal ? [init.signal, signal] : [signal];
      return hub.fetch(address, { ...init, signal: AbortSignal.any(signals) });
    },
    wait: (milliseconds) => Promise.race([hub.wait(milliseconds), stopped]),
  };
}

/** Progress of all files as that of one. */
function summed(
  files: readonly { readonly path: string; readonly bytes: number }[],
  onProgress: (progress: DownloadProgress) => void,
): (progress: DownloadProgress) => void {
  const file = files.length === 1 ? files[0].path : `${files.length} files`;
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const doneOf = new Map<string, number>();
  let told = -1;
  return (progress) => {
    doneOf.set(progress.file, progress.doneBytes);
    const doneBytes = [...doneOf.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (doneBytes === told) return; // the end is told once
    told = doneBytes;
    onProgress({ file, doneBytes, totalBytes });
  };
}
