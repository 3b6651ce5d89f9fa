// What each part of co-quantization gives: perplexity of a model with centroids of inputs only, of weights only, of both, and with
// tables of eight and four bits (through the LUT engine where the target takes the model), each plain and with the steps added
// one after another. Prints a table in Markdown.
//   node bench/co-quantization-ablation.mjs <model> --calibration <text> --text <text> [--samples 256] [--seed 0] [--threads 2]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { openKernels } from "../dist/src/kernels/open.js";
import { evaluatePerplexity } from "../dist/src/pipeline/evaluate.js";
import { planModel, quantize } from "../dist/src/pipeline/quantize.js";
import { parseRecipe } from "../dist/src/recipe/parse.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calibration: { type: "string" },
    text: { type: "string" },
    samples: { type: "string" },
    seed: { type: "string", default: "0" },
    threads: { type: "string", default: "2" },
  },
});
const [model] = positionals;
const kernels = openKernels({ threads: Number(values.threads) });

const settings = {
  "inputs only": { centroids: 16, group: 16, table: "none" },
  "weights only": { inputs: "float", table: "none" },
  both: { table: "none" },
  "both, INT8 table": { table: 8 },
  "both, INT4 table": { table: 4 },
};
const steps = [
  ["plain", { compensation: false, refit: false }, []],
  ["+ compensation", { compensation: true, refit: false }, []],
  ["+ refit", { compensation: true, refit: true }, []],
  ["+ pairing", { compensation: true, refit: true }, [{ transform: "pairing" }]],
];

const folder = mkdtempSync(path.join(tmpdir(), "luthier-ablation-"));
try {
  const float = await scoreOf({ path: model, engine: "float" });
  console.log(`float: ${float.toFixed(3)}\n`);
  console.log(`| | ${steps.map(([name]) => name).join(" | ")} |\n|---|${steps.map(() => "--:").join("|")}|`);
  for (const [name, options] of Object.entries(settings)) {
    const cells = [];
    for (const [, flags, transforms] of steps) {
      const value = await perplexityOf({ ...options, ...flags }, transforms);
      cells.push(`${value.toFixed(3)} (${(value / float).toFixed(4)} ×)`);
    }
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function perplexityOf(options, transforms) {
  const recipe = await fitting(options, transforms);
  const out = path.join(folder, "run");
  await quantize({ model, recipe, out, kernels, fresh: true });
  const [target] = recipe.recipe.targets;
  return scoreOf(
    target ? { path: out, engine: "lut", target: target.target } : { path: out, engine: "float" },
  );
}

/** The recipe with the target where it takes the model, else without. */
async function fitting(options, transforms) {
  const targets = options.table === "none" ? [] : [{ target: "lut-llm" }];
  const recipe = recipeOf(options, transforms, targets);
  try {
    await planModel(model, recipe);
    return recipe;
  } catch {
    return recipeOf(options, transforms, []);
  }
}

function recipeOf(options, transforms, targets) {
  const text = JSON.stringify({
    version: 1,
    seed: Number(values.seed),
    calibration: {
      text: path.resolve(values.calibration),
      ...(values.samples && { samples: Number(values.samples) }),
    },
    transforms,
    rules: [
      { match: "lm_head", keep: "float" },
      { match: "*", quantize: { method: "co-quantization", ...options } },
    ],
    targets,
  });
  return { name: "ablation", file: "ablation.yaml", text, recipe: parseRecipe(text, "ablation.yaml") };
}

async function scoreOf(subject) {
  const { perplexity } = await evaluatePerplexity({ ...subject, kernels, text: { text: values.text } });
  return perplexity;
}
