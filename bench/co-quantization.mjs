// Co-quantization of a random checkpoint of Qwen3-0.6B's shapes on 128 windows of 512 tokens: seconds and peak memory by
// stage, a block and all, and what that comes to for Qwen3-1.7B.
//   node bench/co-quantization.mjs [--layers 28] [--threads 2]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { packagePath } from "../dist/src/package.js";
import { shape, writeRandomCheckpoint } from "./random-checkpoint.mjs";

const { values } = parseArgs({
  options: { layers: { type: "string", default: "28" }, threads: { type: "string", default: "2" } },
});
const layers = Number(values.layers);
const [windows, length] = [128, 512];
const folder = mkdtempSync(path.join(tmpdir(), "luthier-bench-"));
try {
  const model = path.join(folder, "model");
  const out = path.join(folder, "run");
  await writeRandomCheckpoint(model, layers, 1);
  const text = path.join(folder, "text.txt"); // random weights have no use for sense: the text three times
  writeFileSync(text, readFileSync(packagePath("calibration/sampled-from-tiny.txt"), "utf8").repeat(3));
  const recipe = path.join(folder, "recipe.json");
  const rules = [
    { match: "lm_head", keep: "float" },
    { match: "*", quantize: { method: "co-quantization" } },
  ];
  const calibration = { text, samples: windows, length };
  writeFileSync(recipe, JSON.stringify({ version: 1, calibration, rules, targets: [{ target: "lut-llm" }] }));
  const call = ["quantize", model, "--recipe", recipe, "--out", out, "--threads", values.threads];
  const { status } = spawnSync(process.execPath, [packagePath("dist/cli/luthier.js"), ...call], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error(`luthier ended with ${status}`);
  const { stages } = JSON.parse(readFileSync(path.join(out, "run.json"), "utf8"));
  console.log(`${layers} blocks, ${windows} windows of ${length} tokens, ${values.threads} threads`);
  for (const { name, seconds, peakMemoryBytes } of stages)
    console.log(
      `${name.padEnd(14)} ${seconds.toFixed(1).padStart(8)} s, peak ${gib(peakMemoryBytes)} GiB by then`,
    );
  const fit = stages.find(({ name }) => name === "fit").seconds;
  console.log(`a block        ${(fit / layers).toFixed(1).padStart(8)} s of fitting`);
  const larger = (28 * (fit / layers) * workOf(2048, 6144)) / workOf(shape.hidden, shape.intermediate);
  console.log(`Qwen3-1.7B would take about ${(larger / 60).toFixed(0)} minutes of fitting on this machine`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function gib(bytes) {
  return (bytes / 2 ** 30).toFixed(2);
}

/** What a block costs grows with its weights and with the squares of its inputs (second moments), about as much of each. */
function workOf(hidden, intermediate) {
  const attention = shape.heads * shape.headSize;
  const weights = hidden * (2 * attention + 2 * shape.keyValueHeads * shape.headSize + 3 * intermediate);
  const squares = 2 * hidden ** 2 + attention ** 2 + intermediate ** 2;
  return weights + squares;
}
