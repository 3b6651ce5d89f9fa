// Every shipped recipe on one model and one task: the score of the packs' bytes on the LUT engine, or of the quantized weights
// where a recipe has no target, against the checkpoint on the same examples. One table, in Markdown.
//   npm run build && node bench/recipes.mjs <model> --task glue:sst2 --data <file> --calibration <text> [--limit 200] [recipe …]
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { findTasks } from "../dist/src/evaluation/tasks/registry.js";
import { openKernels } from "../dist/src/kernels/open.js";
import { packagePath } from "../dist/src/package.js";
import { evaluateTask } from "../dist/src/pipeline/evaluate-task.js";
import { quantize } from "../dist/src/pipeline/quantize.js";
import { readQuantizedIndex } from "../dist/src/pipeline/quantized-files.js";
import { calibratedOn, loadRecipe } from "../dist/src/recipe/shipped.js";
import { storedBytes } from "../dist/src/schemes/weights.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    task: { type: "string" },
    data: { type: "string" },
    calibration: { type: "string" },
    limit: { type: "string" },
  },
});
const [model, ...wanted] = positionals;
const [task] = findTasks(values.task);
const limit = values.limit === undefined ? undefined : Number(values.limit);
const kernels = openKernels();
const scratch = await mkdtemp(path.join(tmpdir(), "luthier-recipes-"));
const names = (await readdir(packagePath("recipes")))
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.replace(".yaml", ""));

try {
  const [{ metrics, examples }] = await score([{ path: model, engine: "float", kernels }]);
  console.log(
    `checkpoint: ${metrics.map(({ name, value, standardError }) => `${name} ${value.toFixed(4)} ± ${standardError.toFixed(4)}`).join(", ")}; ${examples} examples\n`,
  );
  console.log(
    `| recipe | bits a weight | scored | ${metrics[0].name} | change | 95 % interval | same answers | KL, nats |`,
  );
  console.log("| --- | --: | --- | --: | --: | --- | --: | --: |");
  for (const name of wanted.length === 0 ? names : wanted) {
    for (const row of await rowsOf(name)) console.log(`| ${row.join(" | ")} |`);
  }
} finally {
  await rm(scratch, { recursive: true });
}

function score(subjects) {
  return evaluateTask({ task, data: values.data, limit, subjects, keep: path.join(scratch, "answers") });
}

async function rowsOf(name) {
  const out = path.join(scratch, name);
  try {
    const shipped = await loadRecipe(name);
    const recipe = shipped.recipe.calibration ? calibratedOn(shipped, values.calibration) : shipped;
    const { packs } = await quantize({ model, recipe, out, kernels });
    const { linears } = await readQuantizedIndex(out);
    const subjects =
      packs.length === 0
        ? [{ path: out, engine: "float", kernels }]
        : packs.map(({ target }) => ({ path: out, engine: "lut", target, kernels }));
    const [, ...scored] = await score([{ path: model, engine: "float", kernels }, ...subjects]);
    const bytes = linears.reduce((sum, { weight }) => sum + storedBytes(weight), 0);
    const weights = linears.reduce((sum, { weight }) => sum + weight.rows * weight.columns, 0);
    return scored.map(({ target, metrics, comparison }) => {
      const { difference, interval } = comparison.metrics[0];
      return [
        name,
        ((8 * bytes) / weights).toFixed(2),
        target ? `${target} pack` : "weights, float",
        metrics[0].value.toFixed(4),
        signed(difference),
        interval.map(signed).join(" … "),
        `${(100 * comparison.agreement).toFixed(1)} %`,
        comparison.divergence.toFixed(4),
      ];
    });
  } catch (error) {
    return [[name, "", `refused: ${error.message.split("\n").slice(0, 2).join(" ")}`, "", "", "", "", ""]];
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}
