import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexities } from "../../src/pipeline/evaluate.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { summarizeRun } from "../../src/report/summary.js";
import { writeReport } from "../../src/report/write.js";
import { bundledModel } from "../pipeline/run.js";
import { madeUpSearch } from "../report/made-up-details.js";
import { madeUpTaskScores } from "../report/made-up-summary.js";

const text = path.join(import.meta.dirname, "../../calibration/the-fiddle-maker.txt");

/**
 * A run of the bundled model whose report has every section: real weights, inputs, pack and perplexities; scores of a task
 * and the search beside its recipe are made up.
 * @param folder gets the recipe, the search and the run, whose folder is given back.
 */
export async function realRun(folder: string, bits: number): Promise<string> {
  const run = path.join(folder, `int${bits}`);
  const recipe = path.join(folder, `recipe-${bits}`, "recipe.yaml");
  mkdirSync(path.dirname(recipe), { recursive: true });
  writeFileSync(recipe, recipeText(bits));
  const kernels = openKernels();
  const made = await quantize({ model: bundledModel, recipe: await loadRecipe(recipe), out: run, kernels });
  const names = made.index.linears.map(({ name }) => name);
  writeFileSync(path.join(path.dirname(recipe), "search.json"), JSON.stringify(madeUpSearch(names)));
  const subjects = [
    { path: bundledModel, engine: "float" },
    { path: run, engine: "float" },
    { path: run, engine: "lut" },
  ] as const;
  const found = await evaluatePerplexities(
    subjects.map((subject) => ({ ...subject, kernels })),
    { text: { text }, context: 256 },
  );
  const scores = found.map((score, at) => ({
    ...score,
    of: at === 0 ? ("checkpoint" as const) : ("run" as const),
  }));
  await writeReport(
    await summarizeRun(run, [
      ...scores,
      ...madeUpTaskScores("glue:sst2"),
      ...madeUpTaskScores("arc-easy", true),
    ]),
  );
  return run;
}

const recipeText = (bits: number) => `
version: 1
calibration: { text: ${JSON.stringify(text)}, samples: 8, length: 128 }
transforms: [{ transform: smoothquant, alpha: 0.5 }]
rules:
  - { match: lm_head, keep: float }
  - { match: "*", quantize: { method: rtn, bits: ${bits}, group: 128 } }
targets: [{ target: t-mac }]
`;
