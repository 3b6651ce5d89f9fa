// What `luthier quantize --dry-run` predicts of shipped recipes against what the run then takes: peak resident memory and time,
// on a random checkpoint and a short calibration text. One thread; Linux, which says what a process took.
//   node bench/predictions.mjs [--recipes gptq-int4-g128,binary] [--shape small|normal|wide] [--layers 4] [--tokens 2048]
//                              [--memory 420MiB] [--folder <dir>]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { packagePath } from "../dist/src/package.js";

const { values } = parseArgs({
  options: {
    recipes: { type: "string" },
    shape: { type: "string", default: "small" },
    layers: { type: "string", default: "4" },
    tokens: { type: "string", default: "2048" },
    memory: { type: "string" },
    folder: { type: "string", default: tmpdir() },
  },
});
const windowLength = 128;
const needsStored = "stored-t-mac"; // which takes a checkpoint that is quantized already
const recipes =
  values.recipes?.split(",") ??
  readdirSync(packagePath("recipes"))
    .filter((file) => file.endsWith(".yaml") && !file.startsWith(needsStored))
    .map((file) => path.basename(file, ".yaml"));
const folder = mkdtempSync(path.join(values.folder, "luthier-predictions-"));
const text = path.join(folder, "text.txt");
const model = path.join(folder, "model");
const run = path.join(folder, "run");
const peakFile = path.join(folder, "peak");
const recipeFile = path.join(folder, "recipe.yaml");

try {
  const tokens = Number(values.tokens);
  const passage = readFileSync(packagePath("calibration/the-miller-of-ashcombe.txt"), "utf8");
  writeFileSync(text, passage.repeat(Math.ceil((6 * tokens) / passage.length))); // a token is less than six letters
  execFileSync(process.execPath, [
    packagePath("bench/random-checkpoint.mjs"),
    ...[model, "--layers", values.layers, "--shape", values.shape, "--vocabulary", "4096"],
  ]);
  console.log(`${values.layers} blocks of the ${values.shape} shape, ${tokens} tokens`);
  console.log("| recipe | predicted | measured | measured / predicted | time predicted | measured |");
  console.log("| --- | --- | --- | --- | --- | --- |");
  for (const name of recipes) console.log(measure(name, tokens));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A row of the table. */
function measure(name, tokens) {
  const recipe = parse(readFileSync(packagePath(`recipes/${name}.yaml`), "utf8"));
  if (recipe.calibration) recipe.calibration = { text, samples: tokens / windowLength, length: windowLength };
  writeFileSync(recipeFile, JSON.stringify(recipe));
  rmSync(run, { recursive: true, force: true });
  const quantize = ["quantize", model, "--recipe", recipeFile];
  const limit = values.memory ? ["--memory", values.memory] : [];
  const { memory, timeSeconds } = JSON.parse(luthier([...quantize, "--dry-run", "--json"])).prediction;
  const started = performance.now();
  luthier([...quantize, "--out", run, "--quiet", ...limit]);
  const seconds = (performance.now() - started) / 1000;
  const measured = Number(readFileSync(peakFile, "utf8"));
  const predictedTime = timeSeconds === null ? "–" : `${timeSeconds.toFixed(1)} s`;
  const cells = [
    ...[name, mebibytes(memory.peakBytes), mebibytes(measured), (measured / memory.peakBytes).toFixed(2)],
    ...[predictedTime, `${seconds.toFixed(1)} s`],
  ];
  return `| ${cells.join(" | ")} |`;
}

function luthier(args) {
  return execFileSync(
    process.execPath,
    [
      ...["--import", packagePath("scripts/report-peak-memory.mjs")],
      ...[packagePath("dist/cli/luthier.js"), ...args, "--threads", "1"],
    ],
    { encoding: "utf8", env: { ...process.env, LUTHIER_PEAK_FILE: peakFile }, maxBuffer: 2 ** 28 },
  );
}

function mebibytes(bytes) {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
