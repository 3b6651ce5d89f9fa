// Whole quantizations of random checkpoints of Qwen3-0.6B's shapes with two trit planes: weights per second, against the
// TypeScript reference in the same run, and peak memory for a growing number of blocks.
//   node bench/quantize.mjs [--layers 7,14,28] [--threads 2]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { openKernels } from "../dist/src/kernels/open.js";
import { packagePath } from "../dist/src/package.js";
import { tritPlanes } from "../dist/src/quantizers/trit-planes.js";
import { matrix } from "../dist/src/tensor/matrix.js";
import { shape, writeRandomCheckpoint } from "./random-checkpoint.mjs";

const { values } = parseArgs({
  options: { layers: { type: "string", default: "7,14,28" }, threads: { type: "string", default: "2" } },
});
const recipe = packagePath("bench/trit-planes-only.yaml");
const folder = mkdtempSync(path.join(tmpdir(), "luthier-bench-"));
try {
  const reference = await referenceWeightsPerSecond();
  console.log(`TypeScript reference: ${millions(reference)} M weights/s`);
  for (const layers of values.layers.split(",").map(Number)) {
    const model = path.join(folder, `model-${layers}`);
    const out = path.join(folder, `run-${layers}`);
    await writeRandomCheckpoint(model, layers, 1);
    const started = performance.now();
    execFileSync(process.execPath, [
      packagePath("dist/cli/luthier.js"),
      ...["quantize", model, "--recipe", recipe, "--out", out, "--quiet", "--threads", values.threads],
    ]);
    const seconds = (performance.now() - started) / 1000;
    const weights = layers * blockWeights();
    const { stages } = JSON.parse(readFileSync(path.join(out, "run.json"), "utf8"));
    const stage = stages.find(({ name }) => name === "quantize");
    const mib = Math.round(Math.max(...stages.map((each) => each.peakMemoryBytes)) / 2 ** 20);
    console.log(
      `${layers} blocks, ${millions(weights)} M weights: ${seconds.toFixed(1)} s as a process, ${stage.seconds.toFixed(1)} s of it quantizing; ` +
        `${millions(weights / seconds)} M weights/s, ${(weights / seconds / reference).toFixed(0)} × the reference; peak ${mib} MiB`,
    );
    rmSync(model, { recursive: true });
    rmSync(out, { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function referenceWeightsPerSecond() {
  const count = 2 ** 20;
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / 2 ** 32;
  };
  const normal = () => 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const weight = matrix(count / 1024, 1024, Float32Array.from({ length: count }, normal));
  const kernels = openKernels({ path: "reference" });
  const started = performance.now();
  await tritPlanes.quantize(weight, { planes: 2, group: 128 }, kernels);
  return count / ((performance.now() - started) / 1000);
}

function blockWeights() {
  const { hidden, intermediate, heads, keyValueHeads, headSize } = shape;
  return hidden * headSize * (2 * heads + 2 * keyValueHeads) + 3 * hidden * intermediate;
}

function millions(count) {
  return (count / 1e6).toFixed(count < 1e7 ? 2 : 0);
}
