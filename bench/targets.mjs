// The bundled model through every target, each with the rule that it is typically used with: one table, in Markdown.
//   npm run build && node bench/targets.mjs [target …]
//
// "stored" are the bits a weight of the scheme, "pack" those of the bytes that the hardware reads, scales included. Both
// perplexities are on the bundled evaluation text, the second by the target's own arithmetic on the pack's bytes. Cycles
// are those that the target's cost model gives the quantized linears for one token on the device named.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { openKernels } from "../dist/src/kernels/open.js";
import { packagePath } from "../dist/src/package.js";
import { estimate } from "../dist/src/pipeline/estimate.js";
import { evaluatePerplexity } from "../dist/src/pipeline/evaluate.js";
import { quantize } from "../dist/src/pipeline/quantize.js";
import { loadDevice } from "../dist/src/recipe/device.js";
import { parseRecipe } from "../dist/src/recipe/parse.js";
import { bitsPerWeight, describeWeight } from "../dist/src/schemes/weights.js";
import { targets } from "../dist/src/targets/registry.js";

const devices = {
  "t-mac": "surface-book-3",
  "bitnet-cpp": "i7-13700h",
  tellme: "kv260",
  "lut-tensor-core": "a100-lut-4x",
  "lut-gemm": "a100",
  "lut-llm": "v80",
};

const model = packagePath("models/tiny");
const calibration = { text: packagePath("calibration/sampled-from-tiny.txt") };
const chosen = process.argv.slice(2);
const text = { text: packagePath("calibration/the-fiddle-maker.txt") };
const kernels = openKernels();
const scratch = await mkdtemp(path.join(tmpdir(), "luthier-targets-"));
const score = async (options) =>
  (await evaluatePerplexity({ text, context: 256, kernels, ...options })).perplexity.toFixed(3);

try {
  console.log(`checkpoint, float: perplexity ${await score({ path: model, engine: "float" })}\n`);
  console.log(
    "| target | scheme | input | stored bits | pack bits | pack bytes | quantized, float | pack, engine | cycles a token |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const target of targets.filter(({ name }) => chosen.length === 0 || chosen.includes(name)))
    console.log(`| ${(await rowOf(target)).join(" | ")} |`);
} finally {
  await rm(scratch, { recursive: true });
}

async function rowOf(target) {
  const rules = [
    { match: "lm_head", keep: "float" },
    { match: "*", ...target.typical },
  ];
  const name = `typical-${target.name}`;
  const recipe = parseRecipe(
    JSON.stringify({ version: 1, calibration, rules, targets: [{ target: target.name }] }),
    name,
  );
  const out = path.join(scratch, target.name);
  const { index, packs } = await quantize({ model, out, kernels, recipe: { name, file: name, recipe } });
  const { linears } = index;
  const weights = linears.reduce((sum, { weight }) => sum + weight.rows * weight.columns, 0);
  const stored = linears.reduce(
    (sum, { weight }) => sum + bitsPerWeight(weight) * weight.rows * weight.columns,
    0,
  );
  const bytes = packs[0].linears.reduce((sum, linear) => sum + linear.bytes, 0);
  return [
    `\`${target.name}\``,
    describeWeight(linears[0].weight),
    linears[0].activation.scheme,
    (stored / weights).toFixed(2),
    ((bytes * 8) / weights).toFixed(2),
    String(bytes),
    await score({ path: out, engine: "float" }),
    await score({ path: out, engine: "lut" }),
    await cyclesOf(target, out),
  ];
}

async function cyclesOf(target, run) {
  if (target.cost === undefined) return "–";
  const device = await loadDevice(devices[target.name]);
  const { decode } = await estimate({ path: run, target, device, prefill: 1, decode: 1 });
  if ("refused" in decode) return `– (${decode.refused.reason})`;
  const quantized = decode.kinds.filter(({ scheme }) => scheme !== "float");
  return `${Math.round(quantized.reduce((sum, { cycles }) => sum + cycles, 0))} (${device.name})`;
}
