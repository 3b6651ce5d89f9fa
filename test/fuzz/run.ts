import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Coverage, watchCoverage } from "./coverage.js";
import { type Findings, fuzz } from "./fuzz.js";
import { scratch } from "./scratch.js";

/*
 * `npm run fuzz -- [--parser name]… [--seconds 60] [--inputs n] [--seed 0]`: every parser, or those whose names begin so,
 * each in a process of its own for so long. A process that hangs or dies is a fault like others. Ends with 1 after faults.
 */

const { values: options } = parseArgs({
  options: {
    parser: { type: "string", multiple: true },
    seconds: { type: "string", default: "60" },
    inputs: { type: "string", default: String(Number.MAX_SAFE_INTEGER) },
    seed: { type: "string", default: "0" },
    child: { type: "string" },
  },
});
const faultsFolder = path.join(scratch, "luthier-faults");
/** Longer than the slowest that counts as done. */
const silenceMs = 60_000;

interface Report extends Omit<Findings, "faults"> {
  readonly faults: readonly { readonly what: string; readonly file: string }[];
  readonly coverage: readonly (readonly [string, Coverage])[];
}

await mkdir(faultsFolder, { recursive: true });
if (options.child === undefined) process.exitCode = await runAll();
else await runOne(options.child);

async function runAll(): Promise<number> {
  const { parsers } = await import("./registry.js");
  const chosen = parsers
    .map(({ name }) => name)
    .filter((name) => options.parser?.some((start) => name.startsWith(start)) ?? true);
  let [inputs, faults] = [0, 0];
  console.log(row(["parser", "inputs", "values", "outcomes", "slowest", "lines", "blocks", "faults"]));
  for (const name of chosen) {
    const report = await inProcess(name);
    if (typeof report === "string") {
      faults++;
      console.log(`${name}: ${report}; its last input is ${lastFile(name)}`);
      continue;
    }
    inputs += report.inputs;
    faults += report.faults.length;
    const sum = (of: (coverage: Coverage) => number) =>
      report.coverage.reduce((all, [, each]) => all + of(each), 0);
    const share = (reached: number, all: number) => `${Math.round((100 * reached) / all)}%`;
    const { values, outcomes, slowestMs } = report;
    console.log(
      row([
        ...[name, report.inputs, values, outcomes, `${Math.round(slowestMs)} ms`],
        share(
          sum((each) => each.linesReached),
          sum((each) => each.lines),
        ),
        share(
          sum((each) => each.blocksReached),
          sum((each) => each.blocks),
        ),
        report.faults.length,
      ]),
    );
    for (const { what, file } of report.faults)
      console.log(`  ${what.replaceAll("\n", "\n  ")}\n  input: ${file}`);
  }
  console.log(`${inputs} inputs, ${faults} faults`);
  return faults > 0 ? 1 : 0;
}

/** What a process of its own reports, or how it ended without. */
function inProcess(name: string): Promise<Report | string> {
  const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--child", name]);
  return new Promise((resolve) => {
    let heard = setTimeout(() => {}, 0);
    const listen = () => {
      clearTimeout(heard);
      heard = setTimeout(() => {
        child.kill("SIGKILL");
        resolve(`silent for ${silenceMs / 1000} seconds`);
      }, silenceMs);
    };
    listen();
    child.on("message", (message: Report | "alive") => {
      if (message === "alive") return listen();
      clearTimeout(heard);
      resolve(message);
    });
    child.on("exit", (code, signal) => {
      clearTimeout(heard);
      resolve(`ended with ${signal ?? code}`);
    });
  });
}

async function runOne(name: string): Promise<void> {
  const coverage = await watchCoverage();
  const { parsers } = await import("./registry.js");
  const parser = parsers.find((each) => each.name === name);
  if (parser === undefined) throw new RangeError(`there is no parser ${name}`);
  const open = await parser.open();
  let told = performance.now();
  const findings = await fuzz(open, {
    seed: Number(options.seed),
    inputs: Number(options.inputs),
    seconds: Number(options.seconds),
    onSample({ bytes }) {
      writeFileSync(lastFile(name), bytes);
      if (performance.now() < told + 1000) return;
      told = performance.now();
      process.send?.("alive");
    },
  });
  await open.close();
  const faults = await Promise.all(
    findings.faults.map(async ({ sample, what }, at) => {
      const file = path.join(faultsFolder, `${name}-${at}-${path.basename(sample.file)}`);
      await writeFile(file, sample.bytes);
      return { what, file: `${file} as ${sample.file}` };
    }),
  );
  const report: Report = { ...findings, faults, coverage: [...(await coverage.take(parser.covers))] };
  process.send?.(report, () => process.exit());
}

function lastFile(name: string): string {
  return path.join(faultsFolder, `${name}-last`);
}

function row(cells: readonly unknown[]): string {
  return cells.map((cell, at) => (at === 0 ? String(cell).padEnd(24) : String(cell).padStart(10))).join("");
}
