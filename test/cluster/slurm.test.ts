import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { luthierOnPath } from "../cli/luthier-on-path.js";
import { bundledModel, hashesOf, quantizeBundled, suiteFolder } from "../pipeline/run.js";
import { type Slurm, startSlurm, until } from "./slurm.js";

const examples = path.join(import.meta.dirname, "../../examples/cluster");
const folder = suiteFolder();
const recipe = "trit-planes-g128";
const one = path.join(folder, "one");

let slurm: Slurm;

beforeAll(async () => {
  slurm = await startSlurm();
  await quantizeBundled(recipe, one);
}, 60_000);
afterAll(() => slurm?.stop());

test("an array of four parts and the merge that waits for it give the bytes of one process", async () => {
  const run = path.join(folder, "array");
  await submit(
    "slurm-merge.sh",
    run,
    "--wait",
    `--dependency=afterok:${await submit("slurm-parts.sh", run)}`,
  );
  expect(hashesOf(run)).toEqual(hashesOf(one));
  const { stages } = JSON.parse(readFileSync(path.join(run, "run.json"), "utf8"));
  const names = stages.map(({ name }: { name: string }) => name);
  expect(names).toEqual(expect.arrayContaining([1, 2, 3, 4].map((part) => `quantize ${part}/4`)));
});

test("a merge without the third part says so; the part alone, then the merge, give the same bytes", async () => {
  const run = path.join(folder, "mended");
  await submit("slurm-parts.sh", run, "--wait", "--array=1-2,4");
  await expect(submit("slurm-merge.sh", run, "--wait")).rejects.toThrow();
  expect(readFileSync(logOf(run, "slurm-merge.sh"), "utf8")).toMatch(
    /lacks 7 linears .*\n.*\n.* --part 3\/4/,
  );
  await submit("slurm-parts.sh", run, "--wait", "--array=3");
  await submit("slurm-merge.sh", run, "--wait");
  expect(hashesOf(run)).toEqual(hashesOf(one));
});

test("a part that is cancelled in the middle leaves no lock, and goes on when it is submitted again", async () => {
  const run = path.join(folder, "cancelled");
  const lock = path.join(run, ".luthier-lock.1-of-1");
  const alone = { PARTS: "1" };
  const slow = { ...alone, LUTHIER_KERNELS: "reference" };
  const job = await submit("slurm-parts.sh", run, "--array=1", slow);
  await until("linear", async () => expect(linearsOf(run)).not.toEqual([]));
  await slurm.run("scancel", [job]);
  await until("unlocked run", async () => expect(existsSync(lock)).toBe(false));
  expect(JSON.parse(readFileSync(path.join(run, "parts", "1-of-1.json"), "utf8")).state).toBe("running");
  await submit("slurm-parts.sh", run, "--array=1", "--wait", alone);
  await submit("slurm-merge.sh", run, "--wait");
  expect(hashesOf(run)).toEqual(hashesOf(one));
});

/** Those that are finished. */
function linearsOf(run: string): readonly string[] {
  return readdirSync(path.join(run, "quantized", "linears")).filter((name) => !name.startsWith("."));
}

/** Submits one of the example scripts as it is, for a small node; the job's number. */
function submit(
  script: string,
  run: string,
  ...options: readonly (string | NodeJS.ProcessEnv)[]
): Promise<string> {
  const env = { MODEL: bundledModel, RECIPE: recipe, RUN: run, ...luthierOnPath() };
  const more = options.filter((option) => typeof option === "object");
  const small = ["--parsable", "--cpus-per-task=1", "--mem=0", `--output=${logOf(run, script)}`];
  const args = options.filter((option) => typeof option === "string");
  const file = path.join(examples, script);
  return slurm.run("sbatch", [...small, ...args, file], Object.assign(env, ...more));
}

function logOf(run: string, script: string): string {
  return `${run}-${script}.log`;
}
