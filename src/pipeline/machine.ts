import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, readFile, statfs } from "node:fs/promises";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import path from "node:path";

/** What this machine has for Luthier, as its system says it. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  /** Cores that this process may use. */
  readonly usableCores: number;
  /** Of those that the kernels could use; null where the system does not list them. */
  readonly instructionSets: readonly string[] | null;
  readonly memoryBytes: number;
  /** What can be had without pushing out others, within the limit. */
  readonly freeMemoryBytes: number;
  /** Of the control group (container, batch job); null without one. */
  readonly memoryLimitBytes: number | null;
  readonly compiler: Compiler | null;
  /** Null when npm is not there. */
  readonly npm: string | null;
  /** Files that a process may have open at a time; null where there is no limit or none is told. */
  readonly openFiles: number | null;
}

export interface Compiler {
  readonly command: string;
  readonly version: string;
  readonly hasCpp20: boolean;
}

/** A folder of which the product asks room. It need not be there yet. */
export interface DiskPlace {
  readonly folder: string;
  readonly freeBytes: number;
  readonly isWritable: boolean;
}

export async function readMachine(environment: NodeJS.ProcessEnv): Promise<Machine> {
  const [cpu] = cpus();
  const [compiler, npm, openFiles, instructionSets] = await Promise.all([
    compilerOf(environment.CXX || "c++"),
    outputOf("npm", ["--version"]),
    outputOf("sh", ["-c", "ulimit -n"]),
    instructionSetsHere(),
  ]);
  const memoryLimitBytes = memoryLimit();
  return {
    processor: cpu?.model.trim() || "unknown",
    cores: cpus().length,
    usableCores: availableParallelism(),
    instructionSets,
    memoryBytes: totalmem(),
    freeMemoryBytes: freeMemory(memoryLimitBytes),
    memoryLimitBytes,
    compiler,
    npm,
    openFiles: openFiles !== null && /^\d+$/.test(openFiles) ? Number(openFiles) : null,
  };
}

/** Room on the disk of a folder, or of what will hold it. */
export async function diskPlace(folder: string): Promise<DiskPlace> {
  const there = await nearestThatIsThere(path.resolve(folder));
  const { bavail, bsize } = await statfs(there);
  const isWritable = await access(there, constants.W_OK).then(
    () => true,
    () => false,
  );
  return { folder, freeBytes: bavail * bsize, isWritable };
}

async function nearestThatIsThere(folder: string): Promise<string> {
  const isThere = await access(folder).then(
    () => true,
    () => false,
  );
  const parent = path.dirname(folder);
  return isThere || parent === folder ? folder : nearestThatIsThere(parent);
}

/** Limits above all memory are none. */
function memoryLimit(): number | null {
  const bytes = process.constrainedMemory();
  return bytes > 0 && bytes < totalmem() ? bytes : null;
}

/** Under a limit the first Node.js 20 releases do not tell what is free within it. */
function freeMemory(limitBytes: number | null): number {
  if (limitBytes === null) return freemem();
  const { availableMemory = freemem } = process as { availableMemory?: () => number };
  return Math.min(freemem(), availableMemory.call(process), limitBytes);
}

const usefulSets =
  "avx avx2 fma f16c avx512f avx512bw avx512vl avx512dq avx512vbmi avx512_vnni avx_vnni amx_int8 asimd asimddp i8mm sve";

async function instructionSetsHere(): Promise<readonly string[] | null> {
  const info = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(info)?.[1].trim().split(/\s+/);
  return flags === undefined ? null : usefulSets.split(" ").filter((set) => flags.includes(set));
}

async function compilerOf(command: string): Promise<Compiler | null> {
  const version = await outputOf(command, ["--version"]);
  if (version === null) return null;
  const check = await outputOf(command, "-std=c++20 -x c++ -fsyntax-only -".split(" "));
  return { command, version: version.split("\n")[0], hasCpp20: check !== null };
}

/** What a program prints when nothing is said to it; null when it is not there, fails, or takes longer than ten seconds. */
function outputOf(command: string, parameters: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(command, parameters, {
      stdio: ["ignore", "pipe", "ignore"],
      shell: process.platform === "win32",
      timeout: 10_000,
    });
    let out = "";
    child.stdout.on("data", (piece) => {
      out += piece;
    });
    child.on("error", () => resolve(null));
    child.on("close", (code) => resolve(code === 0 ? out.trim() : null));
  });
}
