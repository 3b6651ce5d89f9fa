import { LuthierError } from "../error.js";

/**
 * A failure of the file system as an error that says what was being done, to which file, and the way out.
 *
 * Errors that already are a `LuthierError`, and errors that are no system errors (a fault of ours), come back as they are.
 *
 * @param doing what was tried, as in "read" or "write".
 */
export function fileError(doing: string, file: string, error: unknown): unknown {
  if (error instanceof LuthierError || !isSystemError(error)) return error;
  const [reason, fix] = reasons[error.code] ?? [error.message, "Check the disk and the file, and try again."];
  return new LuthierError(`cannot ${doing} ${file}: ${reason}`, fix, { cause: error });
}

/** True when a system error says that the file, or a folder on the way to it, does not exist. */
export function isMissing(error: unknown): boolean {
  return isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}

const missing = ["it does not exist", "Check the path."] as const;
const forbidden = ["permission denied", "Check who owns the file and its folder."] as const;
const full = [
  "no space left on the device",
  "Free some space and run again: what is finished stays. Or choose a folder on another disk.",
] as const;
const tooManyOpen = ["too many open files", "Raise the limit with `ulimit -n 4096`."] as const;

const reasons: Readonly<Record<string, readonly [reason: string, fix: string]>> = {
  ENOENT: missing,
  ENOTDIR: missing,
  EACCES: forbidden,
  EPERM: forbidden,
  EROFS: ["the file system is read-only", "Choose a folder that can be written."],
  ENOSPC: full,
  EDQUOT: full,
  EFBIG: ["the file would be larger than the file system allows", "Choose a folder on another disk."],
  EIO: [
    "the disk failed",
    "Look into the system's log (`dmesg`): copy the data to a sound disk, or fetch the file again; what is finished stays.",
  ],
  ELOOP: ["it is a link", "Put the file itself in its place."],
  EISDIR: ["it is a folder", "Give the path of a file."],
  EMFILE: tooManyOpen,
  ENFILE: tooManyOpen,
  ENAMETOOLONG: ["the name is too long", "Choose a shorter path."],
};
