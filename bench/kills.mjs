// Bad days: a run of the bundled model is killed (SIGKILL) at a random moment, the same job goes on, and must end with the
// bytes of a run that nobody killed. Then the same with a file damaged after each kill, as a power cut may leave it: cut
// off, ended with zeros, empty, or gone. What `luthier verify` calls sound before the run goes on must be those bytes too.
//   node bench/kills.mjs [--kills 200] [--torn 200] [--seed 1]
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { openKernels } from "../dist/src/kernels/open.js";
import { packagePath } from "../dist/src/package.js";
import { quantize } from "../dist/src/pipeline/quantize.js";
import { verifyRun } from "../dist/src/pipeline/verify.js";
import { parseRecipe } from "../dist/src/recipe/parse.js";

const recipes = {
  "weights only": {
    version: 1,
    rules: [
      { match: "lm_head", keep: "float" },
      { match: "*", quantize: { method: "rtn", bits: 4, group: 128 } },
    ],
    targets: [{ target: "t-mac" }, { target: "onnx" }],
  },
  calibrated: {
    version: 1,
    calibration: { text: "calibration/the-miller-of-ashcombe.txt", samples: 4, length: 32 },
    transforms: [{ transform: "awq" }],
    rules: [
      { match: "*.layers.0.*", quantize: { method: "gptq", bits: 4, group: 128 } },
      { match: "*.layers.1.*", quantize: { method: "rtn", bits: 4, group: 128 } },
      { match: "*", keep: "float" },
    ],
    targets: [{ target: "t-mac" }],
  },
};

const kernels = openKernels({ threads: 1 });

function optionsOf(name, out) {
  const text = JSON.stringify(recipes[name]);
  const file = packagePath("kills.yaml"); // paths of the recipe start there
  return {
    model: packagePath("models/tiny"),
    recipe: { name, file, text, recipe: parseRecipe(text, file) },
    out,
    kernels,
  };
}

if (process.send) {
  process.once("message", async ({ name, out }) => {
    await quantize(optionsOf(name, out));
    process.exit(0);
  });
  process.send("ready");
} else {
  await main();
}

async function main() {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "200" },
      torn: { type: "string", default: "200" },
      seed: { type: "string", default: "1" },
    },
  });
  const random = generator(Number(values.seed));
  const folder = mkdtempSync(path.join(tmpdir(), "luthier-kills-"));
  try {
    const jobs = [];
    for (const name of Object.keys(recipes)) jobs.push(await wholeJob(name, path.join(folder, "whole")));
    const kills = await badDays(Number(values.kills), jobs, folder, random, null);
    console.log(`kills: ${summary(kills)}`);
    const torn = await badDays(Number(values.torn), jobs, folder, random, tear);
    console.log(`torn writes: ${summary(torn)}`);
    for (const { fault } of [...kills, ...torn]) if (fault) console.log(fault);
    if ([...kills, ...torn].some(({ fault }) => fault)) process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a run gives that nobody kills, and how long that takes in a process that has done nothing before. */
async function wholeJob(name, out) {
  const { child, ready } = worker();
  await ready;
  const started = performance.now();
  const finished = ended(child);
  child.send({ name, out });
  await finished;
  const milliseconds = performance.now() - started;
  const hashes = hashesOf(out);
  rmSync(out, { recursive: true });
  return { name, hashes, milliseconds };
}

async function badDays(count, jobs, folder, random, damage) {
  const results = [];
  let next = worker();
  for (let i = 0; i < count; i++) {
    const { child, ready } = next;
    await ready;
    next = i + 1 < count ? worker() : null;
    results.push(await badDay(i, child, jobs[i % jobs.length], path.join(folder, String(i)), random, damage));
    if (process.stderr.isTTY) process.stderr.write(`\r${i + 1} of ${count}`);
  }
  return results;
}

async function badDay(i, child, { name, hashes, milliseconds }, out, random, damage) {
  const finished = ended(child);
  child.send({ name, out });
  await new Promise((resolve) => setTimeout(resolve, random() * milliseconds));
  child.kill("SIGKILL");
  await finished;
  const what = existsSync(out) ? (damage?.(out, random) ?? "") : "";
  const at = stageOf(out);
  const faults = [];
  if (await verifies(out)) if (!same(hashesOf(out), hashes)) faults.push("verified what is not whole");
  if (process.env.LUTHIER_KILLS_KEEP) cpSync(out, `${out}.before`, { recursive: true });
  try {
    await quantize(optionsOf(name, out));
    if (!same(hashesOf(out), hashes)) faults.push("other bytes");
    if (!(await verifies(out))) faults.push("does not verify");
  } catch (error) {
    faults.push(`does not go on: ${error.message}`);
  }
  if (faults.length === 0) rmSync(out, { recursive: true, force: true });
  return {
    at,
    fault: faults.length > 0 ? `${i} (${name}, killed in ${at}, ${what}): ${faults.join("; ")}` : null,
    what,
  };
}

async function verifies(run) {
  return verifyRun(run, kernels).then(
    ({ faults }) => faults.length === 0,
    (error) => {
      if (error.name === "LuthierError") return false;
      throw error;
    },
  );
}

/** Damages one of the files that were written last, or any, as a disk may that lost its power. */
function tear(run, random) {
  const files = readdirSync(run, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (files.length === 0) return "no file yet";
  const among = random() < 0.5 ? Math.min(3, files.length) : files.length;
  const file = files[Math.floor(random() * among)];
  const { size } = statSync(file);
  const length = Math.floor(random() * size);
  const ways = {
    "cut off": () => truncateSync(file, length),
    "ended with zeros": () => {
      truncateSync(file, length);
      truncateSync(file, size);
    },
    empty: () => truncateSync(file, 0),
    gone: () => rmSync(file),
  };
  const way = Object.keys(ways)[Math.floor(random() * 4)];
  ways[way]();
  return `${path.relative(run, file)} ${way}`;
}

/** The folder that was written to last. */
function stageOf(run) {
  const has = (inside) => existsSync(path.join(run, inside));
  if (!has("run.json")) return "the beginning";
  const record = readFileSync(path.join(run, "run.json"), "utf8");
  if (record.includes('"state": "done"')) return "nothing: it was done";
  if (has("packs")) return "packing";
  if (has("quantized/linears")) return "quantizing";
  return has("statistics") ? "measuring" : "the beginning";
}

function hashesOf(run) {
  const files = ["quantized", "packs"].flatMap((folder) => {
    const full = path.join(run, folder);
    if (!existsSync(full)) return [];
    return readdirSync(full, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
  });
  return Object.fromEntries(
    files
      .sort()
      .map((file) => [
        path.relative(run, file),
        createHash("sha256").update(readFileSync(file)).digest("hex"),
      ]),
  );
}

function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

function summary(results) {
  const equal = results.filter(({ fault }) => fault === null).length;
  return `${equal} of ${results.length} runs ended with the same bytes; stopped in ${counts(results.map(({ at }) => at))}${wordsOfDamage(results)}`;
}

function wordsOfDamage(results) {
  const ways = results.flatMap(({ what }) => /(cut off|ended with zeros|empty|gone)$/.exec(what)?.[0] ?? []);
  const kinds = results.flatMap(
    ({ what }) =>
      (what.includes("/") ? what.split("/").slice(0, 2).join("/") : what).replace(/ .*/, "") || [],
  );
  return ways.length === 0 ? "" : `; damage: ${counts(ways)}; in ${counts(kinds)}`;
}

function counts(words) {
  const found = new Map();
  for (const word of words) found.set(word, (found.get(word) ?? 0) + 1);
  return [...found]
    .sort(([, a], [, b]) => b - a)
    .map(([word, count]) => `${word} ${count}`)
    .join(", ");
}

/** A process that has loaded everything and waits to be told what to do. */
function worker() {
  const child = fork(import.meta.filename, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const ready = new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("error", reject);
  });
  return { child, ready };
}

function ended(child) {
  return new Promise((resolve) => child.once("exit", resolve));
}

/** Uniform in [0, 1): mulberry32, a public-domain generator by Tommy Ettinger. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
