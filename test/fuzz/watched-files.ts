import * as sync from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import path from "node:path";

export interface WatchedFiles {
  /** What was touched outside of the folder since the last call. */
  takeOutside(): readonly string[];
  /** Files that were opened and not closed since the last call. */
  takeLeftOpen(): number;
  stop(): void;
}

/**
 * Notes every path that the product gives to `node:fs/promises` and that does not lie in `folder`. What is read and
 * written is done at once and not on other threads, which costs ten times as much as parsing small files.
 */
export function watchFiles(folder: string): WatchedFiles {
  let outside: string[] = [];
  const opened = { count: 0 };
  const functions = promises as unknown as Record<string, unknown>;
  const originals = { ...functions };
  for (const [name, { run, paths }] of Object.entries(replaced(opened))) {
    functions[name] = async (...args: unknown[]) => {
      for (const given of paths.map((at) => args[at])) {
        const full = path.resolve(String(given));
        const isInside = full === folder || full.startsWith(`${folder}${path.sep}`);
        const isOfSystem = full.startsWith("/proc/"); // when this process began, for locks
        if (!isInside && !(isOfSystem && name === "readFile")) outside.push(`${name} of ${full}: outside`);
      }
      return run(...args);
    };
  }
  syncBuiltinESMExports();
  return {
    takeOutside() {
      const taken = outside;
      outside = [];
      return taken;
    },
    takeLeftOpen() {
      const { count } = opened;
      opened.count = 0;
      return count;
    },
    stop() {
      Object.assign(functions, originals);
      syncBuiltinESMExports();
    },
  };
}

interface Replaced {
  // biome-ignore lint/suspicious/noExplicitAny: as different as the functions of node:fs
  readonly run: (...args: any[]) => unknown;
  /** Which arguments are paths. */
  readonly paths: readonly number[];
}

function replaced(opened: { count: number }): Readonly<Record<string, Replaced>> {
  const on = (run: Replaced["run"], ...paths: readonly number[]) => ({ run, paths });
  return {
    access: on(sync.accessSync, 0),
    mkdir: on(sync.mkdirSync, 0),
    readFile: on(sync.readFileSync, 0),
    readdir: on(sync.readdirSync, 0),
    realpath: on(sync.realpathSync, 0),
    rename: on(sync.renameSync, 0, 1),
    rm: on(sync.rmSync, 0),
    stat: on(sync.statSync, 0),
    lstat: on(sync.lstatSync, 0),
    readlink: on(sync.readlinkSync, 0),
    link: on(sync.linkSync, 0, 1),
    utimes: on(sync.utimesSync, 0),
    symlink: on(sync.symlinkSync, 1), // the first is relative to the second's folder
    writeFile: on(sync.writeFileSync, 0),
    open: on((file: string, flags?: string | number, mode?: number) => {
      const descriptor = sync.openSync(file, flags ?? "r", mode);
      opened.count++;
      return handleOf(descriptor, opened);
    }, 0),
  };
}

/** What the product asks of a FileHandle. */
function handleOf(descriptor: number, opened: { count: number }) {
  return {
    fd: descriptor,
    stat: async () => sync.fstatSync(descriptor),
    read: async (into: Uint8Array, at: number, length: number, position: number) => ({
      bytesRead: sync.readSync(descriptor, into, at, length, position),
    }),
    write: async (bytes: Uint8Array, at: number, length: number, position: number) => ({
      bytesWritten: sync.writeSync(descriptor, bytes, at, length, position),
    }),
    readFile: async () => sync.readFileSync(descriptor),
    createReadStream: ({ start = 0 }: { start?: number } = {}) => [
      sync.readFileSync(descriptor).subarray(start),
    ],
    truncate: async (length: number) => sync.ftruncateSync(descriptor, length),
    sync: async () => {},
    datasync: async () => {},
    async close() {
      sync.closeSync(descriptor);
      opened.count--;
    },
  };
}
