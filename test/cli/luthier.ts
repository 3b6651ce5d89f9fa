import { type SpawnOptions, spawn } from "node:child_process";
import path from "node:path";

const program = path.join(import.meta.dirname, "../../dist/cli/luthier.js");

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts the built command line; `npm test` builds it first. */
export function start(args: readonly string[], options: SpawnOptions = {}) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
  });
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    err += chunk;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
  return { child, finished };
}

export function luthier(...args: readonly string[]): Promise<Finished> {
  return start(args).finished;
}
