#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import pc from "picocolors";
import { LuthierError } from "../src/error.js";
import { versions } from "../src/pipeline/versions.js";
import { benchCommand } from "./commands/bench.js";
import { compareCommand } from "./commands/compare.js";
import { devicesCommand } from "./commands/devices.js";
import { doctorCommand } from "./commands/doctor.js";
import { estimateCommand } from "./commands/estimate.js";
import { evalCommand } from "./commands/eval.js";
import { inspectCommand } from "./commands/inspect.js";
import { mergeCommand } from "./commands/merge.js";
import { packCommand } from "./commands/pack.js";
import { quantizeCommand } from "./commands/quantize.js";
import { quickstartCommand } from "./commands/quickstart.js";
import { recipesCommand } from "./commands/recipes.js";
import { searchCommand } from "./commands/search.js";
import { targetsCommand } from "./commands/targets.js";
import { tasksCommand } from "./commands/tasks.js";
import { vectorsCommand } from "./commands/vectors.js";
import { verifyCommand } from "./commands/verify.js";

/* Exit codes: 0 done, 1 failed, 2 wrong usage or recipe, 130 stopped by Ctrl-C, 143 by SIGTERM. */

const program = new Command("luthier")
  .description("Quantizes language models onto lookup-table hardware: quantize, pack, verify, score.")
  .version(versions().luthier)
  .exitOverride()
  .configureHelp({ sortSubcommands: false });

const commands = [
  quickstartCommand,
  quantizeCommand,
  mergeCommand,
  packCommand,
  evalCommand,
  verifyCommand,
  inspectCommand,
  compareCommand,
  vectorsCommand,
  estimateCommand,
  searchCommand,
  recipesCommand,
  targetsCommand,
  tasksCommand,
  devicesCommand,
  benchCommand,
  doctorCommand,
];
for (const command of commands) program.addCommand(command().exitOverride());

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => {
    // Finished files are whole and unfinished ones have temporary names, so stopping at once loses nothing finished.
    process.stderr.write("\nstopped; the same command goes on from here\n");
    process.exit(code);
  });
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // its text is printed already
  const debug = process.argv.includes("--debug");
  if (error instanceof LuthierError) {
    process.stderr.write(`${pc.red("error:")} ${error.message}\n${pc.dim("→")} ${sentence(error.fix)}\n`);
    if (debug)
      process.stderr.write(`${error.stack}\n${error.cause instanceof Error ? error.cause.stack : ""}\n`);
    return error.usage ? 2 : 1;
  }
  const text = error instanceof Error ? (debug ? error.stack : error.message) : String(error);
  process.stderr.write(
    `${pc.red("fault in luthier:")} ${text}\n${pc.dim("→")} please report it, with the output of --debug\n`,
  );
  return 1;
}
