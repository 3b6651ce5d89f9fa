import { readlinkSync, rmSync, statSync, truncateSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { vi } from "vitest";

/* What a disk may do to files, as tests bring it about. */

/** How a power cut may leave a file whose bytes, or whose name, had not reached the disk. */
export const tornWays: Readonly<Record<string, (file: string) => void>> = {
  "cut off in the middle": (file) => truncateSync(file, Math.floor(statSync(file).size / 2)),
  "ended with zeros": endedWithZeros,
  empty: (file) => truncateSync(file, 0),
  gone: (file) => rmSync(file),
};

/** Some file systems keep the length and lose the bytes. */
function endedWithZeros(file: string): void {
  const { size } = statSync(file);
  truncateSync(file, Math.floor((size * 3) / 4));
  truncateSync(file, size);
}

/** While some work is done, no more than so many bytes can be written through file handles: ENOSPC then. */
export async function withFullDisk<T>(freeBytes: number, work: () => Promise<T>): Promise<T> {
  let free = freeBytes;
  return withHandles(
    "write",
    (original, handle, args) => {
      const length = typeof args[2] === "number" ? args[2] : (args[0] as Uint8Array).length;
      if (length > free) throw systemError("ENOSPC", "write");
      free -= length;
      return original.apply(handle, args);
    },
    work,
  );
}

/** While some work is done, reading a file fails (EIO) from a place on. */
export async function withReadErrors<T>(file: string, from: number, work: () => Promise<T>): Promise<T> {
  return withHandles(
    "read",
    (original, handle, args) => {
      const position = typeof args[3] === "number" ? args[3] : 0;
      if (position >= from && readlinkSync(`/proc/self/fd/${handle.fd}`) === file)
        throw systemError("EIO", "read");
      return original.apply(handle, args);
    },
    work,
  );
}

type Method = (...args: unknown[]) => Promise<unknown>;

async function withHandles<T>(
  name: "read" | "write",
  instead: (original: Method, handle: FileHandle, args: unknown[]) => Promise<unknown>,
  work: () => Promise<T>,
): Promise<T> {
  const handle = await open("/dev/null");
  const prototype = Object.getPrototypeOf(handle) as Record<string, Method>;
  await handle.close();
  const original = prototype[name];
  const spy = vi.spyOn(prototype, name).mockImplementation(async function (this: unknown, ...args) {
    return instead(original, this as FileHandle, args);
  });
  try {
    return await work();
  } finally {
    spy.mockRestore();
  }
}

function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: injected, ${syscall}`), { code, syscall });
}
