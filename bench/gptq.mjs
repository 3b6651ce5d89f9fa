// GPTQ of a random checkpoint of Qwen3-0.6B's shapes on 128 windows of 512 tokens: seconds a block and what they go to, peak
// memory, and how many times faster that is than the same steps one value after another in TypeScript.
//   node bench/gptq.mjs [--layers 28] [--threads 2] [--windows 128]
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { openKernels } from "../dist/src/kernels/open.js";
import { packagePath } from "../dist/src/package.js";
import { quantize } from "../dist/src/pipeline/quantize.js";
import { gptq } from "../dist/src/quantizers/gptq.js";
import { loadRecipe } from "../dist/src/recipe/shipped.js";
import { shape, writeRandomCheckpoint } from "./random-checkpoint.mjs";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "28" },
    threads: { type: "string", default: "2" },
    windows: { type: "string", default: "128" },
  },
});
const [layers, threads, windows] = [values.layers, values.threads, values.windows].map(Number);
const length = 512;

/** The kernels of GPTQ's steps, as they are shown. */
const steps = {
  addCovariance: "second moments",
  inverseFactor: "Cholesky",
  compensatedCodes: "codes and update",
  roundToNearest: "ranges of groups",
};

const folder = mkdtempSync(path.join(tmpdir(), "luthier-bench-"));
try {
  await wholeModel();
  await oneLinear();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function wholeModel() {
  const model = path.join(folder, "model");
  await writeRandomCheckpoint(model, layers, 1);
  const text = path.join(folder, "text.txt"); // random weights have no use for sense: the text three times
  writeFileSync(text, readFileSync(packagePath("calibration/sampled-from-tiny.txt"), "utf8").repeat(3));
  const rules = [
    { match: "lm_head", keep: "float" },
    { match: "*", quantize: { method: "gptq", bits: 4, group: 128 } },
  ];
  const file = path.join(folder, "recipe.json");
  const calibration = { text, samples: windows, length };
  writeFileSync(file, JSON.stringify({ version: 1, calibration, rules }));
  const { kernels, seconds } = timed(openKernels({ threads }));
  const recipe = await loadRecipe(file);
  const { record } = await quantize({ model, recipe, out: path.join(folder, "run"), kernels });
  const fit = record.stages.find(({ name }) => name === "fit");
  console.log(
    `${layers} blocks, ${windows} windows of ${length} tokens, ${kernels.path}, ${threads} threads`,
  );
  console.log(`a block            ${(fit.seconds / layers).toFixed(2).padStart(8)} s of fitting`);
  let rest = fit.seconds;
  for (const [step, name] of Object.entries(steps)) {
    rest -= seconds[step];
    print(name, seconds[step], fit.seconds);
  }
  print("the model, and all else", rest, fit.seconds);
  console.log(`peak memory        ${(fit.peakMemoryBytes / 2 ** 30).toFixed(2).padStart(8)} GiB`);
}

function print(name, seconds, all) {
  const share = ((100 * seconds) / all).toFixed(1);
  console.log(`  ${name.padEnd(24)} ${(seconds / layers).toFixed(2).padStart(6)} s, ${share.padStart(5)} %`);
}

/** The output projection on four windows, native and by the reference: one sum after another, no blocks, one thread. */
async function oneLinear() {
  const [rows, columns, tokens] = [shape.hidden, shape.heads * shape.headSize, 4 * length];
  const weight = { rows, columns, data: random(rows * columns) };
  const input = { rows: tokens, columns, data: random(tokens * columns) };
  const options = gptq.options.parse({});
  const found = [];
  for (const path of [undefined, "reference"]) {
    const { kernels, seconds } = timed(openKernels({ threads, path }));
    const started = performance.now();
    const inputs = { quantized: [input], float: async function* () {} };
    const linear = { name: "o_proj", rows, columns, weight, attention: null };
    await gptq.quantize([linear], inputs, options, { seed: 0, kernels });
    found.push({ ...seconds, all: (performance.now() - started) / 1000 });
  }
  const [native, reference] = found;
  console.log(
    `o_proj, ${columns} inputs, ${rows} outputs, ${tokens} tokens: native, TypeScript without blocks`,
  );
  for (const [step, name] of [...Object.entries(steps), ["all", "all"]]) {
    const times = (reference[step] / native[step]).toFixed(1);
    console.log(
      `  ${name.padEnd(24)} ${native[step].toFixed(3)} s, ${reference[step].toFixed(2)} s: ${times} times`,
    );
  }
}

/** Kernels that add up the seconds of their calls. */
function timed(kernels) {
  const seconds = Object.fromEntries(Object.keys(steps).map((step) => [step, 0]));
  const wrapped = Object.keys(steps).map((step) => {
    const call = async (...given) => {
      const started = performance.now();
      const result = await kernels[step](...given);
      seconds[step] += (performance.now() - started) / 1000;
      return result;
    };
    return [step, call];
  });
  return { kernels: { ...kernels, ...Object.fromEntries(wrapped) }, seconds };
}

/** Values in −1 … 1, repeatable; neighbours are alike, as inputs are. */
function random(count) {
  let [state, last] = [12345, 0];
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    last = 0.5 * last + state / 2 ** 32;
    return last;
  });
}
