import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { findTasks } from "../../src/evaluation/tasks/registry.js";
import { openKernels } from "../../src/kernels/open.js";
import { evaluateTask } from "../../src/pipeline/evaluate-task.js";
import type { OpenModelOptions } from "../../src/pipeline/open-model.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { temporaryFolder } from "../pipeline/run.js";
import { assets } from "./assets.js";

/* Accuracy of real classifiers on real data: of the float models as PyTorch has it, and of packs beside them. */

const kernels = openKernels();
const dev = assets("data/sst2/glue-dev-872.tsv");
const [sst2] = findTasks("glue:sst2");

interface Reference {
  readonly correct: number;
  readonly first16Logits: readonly (readonly number[])[];
}

function scored(subjects: readonly OpenModelOptions[], limit?: number, keep: string | null = null) {
  return evaluateTask({ task: sst2, data: dev, subjects, limit, keep });
}

describe.each(["luthier-tiny-sst2", "luthier-bert-sst2"])("%s on SST-2's development rows", (name) => {
  const model = { path: assets(name), engine: "float" as const, kernels };
  const reference: Reference = JSON.parse(readFileSync(assets(`${name}/reference.json`), "utf8"));

  test("is right as often as PyTorch has it, with its logits", async () => {
    const keep = temporaryFolder();
    const [result] = await scored([model], undefined, keep);
    expect(result).toMatchObject({ examples: 872, available: 872, truncated: 0 });
    const [accuracy] = result.metrics;
    expect(accuracy.name).toBe("acc");
    expect(accuracy.value * 872).toBeCloseTo(reference.correct, 9);
    // A share of n examples: √(p (1 − p) / (n − 1)).
    const p = reference.correct / 872;
    expect(accuracy.standardError).toBeCloseTo(Math.sqrt((p * (1 - p)) / 871), 12);

    const lines = readFileSync(path.join(keep, `${name}.checkpoint.float.glue-sst2.jsonl`), "utf8")
      .trim()
      .split("\n");
    const answers = new Map<number, { readonly logits: readonly number[] }>(
      lines.slice(1).map((line) => JSON.parse(line)),
    );
    for (const [at, expected] of reference.first16Logits.entries()) {
      const { logits } = answers.get(at) ?? expect.fail(`no answer to example ${at}`);
      for (const [i, logit] of logits.entries())
        expect(Math.abs(logit - expected[i]), `logit ${i} of row ${at}`).toBeLessThan(1e-4);
    }
    console.info(`${name}: ${result.tokens} tokens in ${result.seconds.toFixed(1)} s`);
  });
});

describe("a classifier from its pack's bytes, beside float on the same rows", () => {
  const limit = 200;

  test.each([
    ["luthier-tiny-sst2", "rtn-int4-g128", "t-mac", 0.05],
    ["luthier-tiny-sst2", "trit-planes-g128", "t-mac", 0.1],
    ["luthier-tiny-sst2", "bitnet-ternary", "tellme", 1],
    ["luthier-bert-sst2", "rtn-int4-g128", "t-mac", 0.1],
  ] as const)("%s by %s on %s loses no more than %f", async (name, recipe, target, most) => {
    const run = path.join(temporaryFolder(), recipe);
    const float = { path: assets(name), engine: "float" as const, kernels };
    await quantize({ model: float.path, recipe: await loadRecipe(recipe), out: run, kernels });
    expect((await verifyRun(run, kernels)).faults).toEqual([]);
    const [reference, lut] = await scored([float, { path: run, engine: "lut", kernels }], limit);
    expect(lut).toMatchObject({ engine: "lut", target, examples: limit, available: 872 });
    const [{ difference, interval, mcnemar }] = lut.comparison?.metrics ?? expect.fail("no comparison");
    expect(difference).toBeCloseTo(lut.metrics[0].value - reference.metrics[0].value, 12);
    const [low, high] = interval;
    expect(low).toBeLessThanOrEqual(difference);
    expect(high).toBeGreaterThanOrEqual(difference);
    const { onlyReference = 0, onlyModel = 0 } = mcnemar ?? {};
    expect((onlyModel - onlyReference) / limit).toBeCloseTo(difference, 12);
    expect(lut.comparison?.agreement).toBeLessThanOrEqual(1 - Math.abs(difference) + 1e-12);
    expect(lut.comparison?.divergence).toBeGreaterThan(0);
    expect(difference).toBeGreaterThan(-most);
    const percent = (value: number) => (100 * value).toFixed(1);
    console.info(
      `${name}, ${recipe}: ${percent(reference.metrics[0].value)} -> ${percent(lut.metrics[0].value)} %, difference ${percent(difference)} [${percent(low)}, ${percent(high)}]`,
    );
  });
});
