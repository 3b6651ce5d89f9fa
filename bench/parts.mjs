// A run in parts of a random checkpoint of Qwen3-0.6B's shapes. Parts are run one after another, each with one thread, and
// their processor time is taken, which other work on the machine does not change; a cluster runs them side by side, so that
// it takes the slowest part and the merge. The last line is the clock's time of two parts side by side here. The bytes of
// every run are compared with those of one process.
//   node bench/parts.mjs [--layers 7] [--parts 2,4,8] [--recipe bench/trit-planes-only.yaml]
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { packagePath } from "../dist/src/package.js";
import { writeRandomCheckpoint } from "./random-checkpoint.mjs";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "7" },
    parts: { type: "string", default: "2,4,8" },
    recipe: { type: "string", default: packagePath("bench/trit-planes-only.yaml") },
  },
});
const program = packagePath("dist/cli/luthier.js");
const folder = mkdtempSync(path.join(tmpdir(), "luthier-bench-"));
const model = path.join(folder, "model");
const quantize = (out, ...more) => [
  ...[program, "quantize", model, "--recipe", values.recipe, "--out", out, "--quiet", "--threads", "1"],
  ...more,
];
const merge = (out) => [program, "merge", out, "--quiet", "--threads", "1"];

try {
  await writeRandomCheckpoint(model, Number(values.layers), 1);
  const one = path.join(folder, "one");
  const alone = secondsOf(quantize(one));
  const expected = hashOf(one);
  rmSync(one, { recursive: true });
  console.log(`one process: ${alone.toFixed(1)} s`);
  for (const count of values.parts.split(",").map(Number)) {
    const out = path.join(folder, `run-${count}`);
    const parts = Array.from({ length: count }, (_, at) =>
      secondsOf(quantize(out, "--part", `${at + 1}/${count}`)),
    );
    const merged = secondsOf(merge(out));
    const slowest = Math.max(...parts);
    const mean = parts.reduce((sum, each) => sum + each, 0) / count;
    console.log(
      `${count} parts: slowest ${slowest.toFixed(1)} s (mean ${mean.toFixed(1)} s), merge ${merged.toFixed(1)} s: ` +
        `${(alone / slowest).toFixed(2)} × without the merge, ${(alone / (slowest + merged)).toFixed(2)} × with it; ${sameAs(expected, out)}`,
    );
    rmSync(out, { recursive: true });
  }
  const whole = await clockOf([quantize(path.join(folder, "again"))]);
  const out = path.join(folder, "side-by-side");
  const both = await clockOf([1, 2].map((index) => quantize(out, "--part", `${index}/2`)));
  const merged = await clockOf([merge(out)]);
  console.log(
    `by the clock: one process ${whole.toFixed(1)} s, 2 parts side by side on this machine ${both.toFixed(1)} s, ` +
      `merge ${merged.toFixed(1)} s; ${sameAs(expected, out)}`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Processor time of a command, its own and the system's for it. */
function secondsOf(args) {
  const timed = 'TIMEFORMAT="%U %S"; time "$@" >/dev/null';
  const { status, stderr } = spawnSync("bash", ["-c", timed, "bash", process.execPath, ...args], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  const [user, system] = stderr.trim().split("\n").pop().split(" ").map(Number);
  return user + system;
}

/** Of commands side by side. */
async function clockOf(commands) {
  const started = performance.now();
  await Promise.all(commands.map(ended));
  return (performance.now() - started) / 1000;
}

function ended(args) {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`exit code ${code}`))));
  });
}

/** One sha256 of all files under quantized/ and packs/. */
function hashOf(run) {
  const hash = createHash("sha256");
  for (const name of ["packs", "quantized"]) {
    let entries = [];
    try {
      entries = readdirSync(path.join(run, name), { recursive: true, withFileTypes: true });
    } catch {} // a recipe without targets has no packs
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
    for (const file of files.sort()) hash.update(path.relative(run, file)).update(readFileSync(file));
  }
  return hash.digest("hex");
}

function sameAs(expected, run) {
  return hashOf(run) === expected ? "the same bytes" : "OTHER BYTES";
}
