// How fast a task is scored: tokens a second of the float model and of a pack on the LUT engine, each held against what
// onnxruntime's float32 product does of this model's own linears, in the same process; and the peak memory of each.
//   npm run build && node bench/scoring.mjs [--recipe rtn-int4-g128] [--task arc-easy --data <file>] [--model <dir>] [--limit 200]
//
// Without --data the bundled model is asked about rows made of the bundled text: four continuations of each line.
import { fork } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { findTasks } from "../dist/src/evaluation/tasks/registry.js";
import { openKernels } from "../dist/src/kernels/open.js";
import { linearsOf } from "../dist/src/model/architecture.js";
import { openOps } from "../dist/src/model/ops.js";
import { packagePath } from "../dist/src/package.js";
import { evaluateTask } from "../dist/src/pipeline/evaluate-task.js";
import { openModelAt } from "../dist/src/pipeline/open-model.js";
import { quantize } from "../dist/src/pipeline/quantize.js";
import { loadRecipe } from "../dist/src/recipe/shipped.js";
import { matrix } from "../dist/src/tensor/matrix.js";

if (process.send) await measure(JSON.parse(process.argv[2]));
else await main();

async function main() {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: packagePath("models/tiny") },
      recipe: { type: "string", default: "rtn-int4-g128" },
      task: { type: "string", default: "arc-easy" },
      data: { type: "string" },
      limit: { type: "string", default: "200" },
    },
  });
  const scratch = await mkdtemp(path.join(tmpdir(), "luthier-scoring-"));
  try {
    const data = values.data ?? (await madeUpRows(scratch));
    const run = path.join(scratch, "run");
    await quantize({
      model: values.model,
      recipe: await loadRecipe(values.recipe),
      out: run,
      kernels: openKernels(),
    });
    console.log(
      `${values.task}, ${values.limit} examples of ${path.basename(data)}, ${openKernels().threads} threads\n`,
    );
    console.log(
      "| model | tokens a second | of its linears as plain float32 products | peak MiB |\n| --- | --: | --: | --: |",
    );
    const asked = { task: values.task, data, limit: Number(values.limit) };
    for (const [name, subject] of [
      ["float", { path: values.model, engine: "float" }],
      [`${values.recipe}, LUT engine`, { path: run, engine: "lut" }],
    ]) {
      const { tokensPerSecond, share, peakBytes } = await inProcess({ ...asked, subject });
      console.log(
        `| ${name} | ${tokensPerSecond.toFixed(0)} | ${(100 * share).toFixed(0)} % | ${(peakBytes / 2 ** 20).toFixed(0)} |`,
      );
    }
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** A process of its own for each model, so that peaks do not mix. */
function inProcess(work) {
  return new Promise((resolve, reject) => {
    const child = fork(new URL(import.meta.url).pathname, [JSON.stringify(work)]);
    child.once("message", resolve).once("error", reject);
    child.once("exit", (code) => code !== 0 && reject(new Error(`a measuring process ended with ${code}`)));
  });
}

async function measure({ task, data, limit, subject }) {
  const kernels = openKernels();
  const [found] = findTasks(task);
  const [{ tokens, seconds }] = await evaluateTask({
    ...{ task: found, data, limit, keep: null },
    subjects: [{ ...subject, kernels }],
  });
  const tokensPerSecond = tokens / seconds;
  const plain = await plainProducts(subject.path, kernels);
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  process.send({ tokensPerSecond, share: tokensPerSecond / plain, peakBytes }, () => process.exit(0));
}

/** Tokens a second that the products of all linears in blocks would take alone, 2,048 tokens at a time. */
async function plainProducts(folder, kernels) {
  const { model, close } = await openModelAt({ path: folder, engine: "float", kernels });
  const shapes = linearsOf({ ...model.description, head: null });
  await close();
  const ops = openOps({ threads: kernels.threads });
  const tokens = 2048;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    let seconds = 0;
    for (const { rows, columns } of shapes) {
      const [x, weight] = [matrix(tokens, columns), matrix(rows, columns)];
      const started = performance.now();
      await ops.linear(x, weight, null);
      seconds += (performance.now() - started) / 1000;
    }
    best = Math.min(best, seconds);
  }
  await ops.close();
  return tokens / best;
}

async function madeUpRows(folder) {
  const text = await readFile(packagePath("calibration/the-fiddle-maker.txt"), "utf8");
  const lines = text.split("\n").filter((line) => line.length > 40);
  const rows = lines.map((line, at) => ({
    id: String(at),
    question: line.slice(0, line.length / 2),
    choices: {
      label: ["A", "B", "C", "D"],
      text: [0, 1, 2, 3].map((i) => {
        const other = lines[(at + i) % lines.length];
        return other.slice(other.length / 2);
      }),
    },
    answerKey: "A",
  }));
  const file = path.join(folder, "fiddle-maker.jsonl");
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return file;
}
