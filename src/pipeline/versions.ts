import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { promisify } from "node:util";
import { packagePath } from "../package.js";

/** Of this package, and of what numbers may depend on. */
export function versions(): {
  readonly luthier: string;
  readonly node: string;
  readonly "onnxruntime-node": string;
} {
  const require = createRequire(import.meta.url);
  const versionIn = (file: string) => (require(file) as { readonly version: string }).version;
  return {
    luthier: versionIn(packagePath("package.json")),
    node: process.versions.node,
    "onnxruntime-node": versionIn("onnxruntime-node/package.json"),
  };
}

/**
 * The versions, and what else a run's bytes may depend on: the commit where this package is a clone, `-dirty` behind it where
 * files were changed; the platform and the processor, by which onnxruntime chooses how it adds. Kernels of our own give the
 * same bits on every path, so that which one ran does not matter.
 *
 * @param earlier commits of a run that was stopped and goes on now: all are named, in order.
 */
export async function versionsOnRecord(earlier?: string): Promise<Record<string, string>> {
  const commits = [...(earlier?.split(", ") ?? []), ...(await commitHere())];
  return {
    ...versions(),
    ...(commits.length > 0 && { commit: [...new Set(commits)].join(", ") }),
    platform: `${process.platform}-${process.arch}`,
    processor: cpus()[0]?.model.trim() || "unknown",
  };
}

/** None where the package is no clone of its own or there is no git to ask. */
async function commitHere(): Promise<readonly string[]> {
  if (!existsSync(packagePath(".git"))) return [];
  try {
    const described = "describe --always --dirty --abbrev=40 --exclude=*".split(" ");
    const { stdout } = await promisify(execFile)("git", [
      "--no-optional-locks",
      "-C",
      packagePath("."),
      ...described,
    ]);
    return /^[0-9a-f]{40}(-dirty)?$/.test(stdout.trim()) ? [stdout.trim()] : [];
  } catch {
    return [];
  }
}
