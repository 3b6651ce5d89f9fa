import { existsSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { fetchCheckpoint } from "../src/checkpoint/hub.js";
import type { Kernels } from "../src/kernels/kernels.js";
import { openKernels } from "../src/kernels/open.js";
import { type Part, parsePart } from "../src/pipeline/part.js";
import type { OnProgress } from "../src/pipeline/progress.js";
import { openProgress } from "./progress.js";

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: true;
  readonly quiet?: true;
  readonly threads?: number;
}

export function withCommonOptions(command: Command): Command {
  return command
    .option("--json", "print one JSON value instead of text")
    .option("--quiet", "no progress on stderr")
    .option(
      "--threads <count>",
      "threads of the native kernels (default: LUTHIER_THREADS, else all cores)",
      wholeNumber,
    )
    .option("--debug", "show stack traces of errors");
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError("it must be a whole number, 1 or more.");
  return value;
}

export function partOption(text: string): Part {
  const part = parsePart(text);
  if (part === null) throw new InvalidArgumentError("it must be i/n, 1/n to n/n: 2/4 is the second of four.");
  return part;
}

export interface Tools {
  readonly kernels: Kernels;
  readonly onProgress: OnProgress;
}

export function openTools({ threads, quiet }: CommonOptions): Tools {
  return { kernels: openKernels({ threads }), onProgress: openProgress(quiet ?? false) };
}

/** The folder of a checkpoint or run: a path as it is, a hub id (`org/name`, `org/name@revision`) after fetching it. */
export async function localFolder(model: string, onProgress: OnProgress): Promise<string> {
  if (existsSync(model) || !/^[\w.-]+\/[\w.-]+(@[\w./-]+)?$/.test(model)) return model;
  return fetchCheckpoint(model, {
    onProgress: ({ file, doneBytes, totalBytes }) =>
      onProgress({ stage: `fetch ${file}`, done: doneBytes, total: totalBytes, what: "bytes" }),
  });
}

/** What `--set name=value …` sets: numbers, true and false where they are some. */
export function settingsOf(settings: readonly string[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    settings.map((setting) => {
      const [name, ...rest] = setting.split("=");
      return [name, settingValue(rest.join("="))];
    }),
  );
}

function settingValue(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}
