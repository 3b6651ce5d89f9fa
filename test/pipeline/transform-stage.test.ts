import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { readMatrix } from "../../src/checkpoint/tensors.js";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { type QuantizeOptions, quantize } from "../../src/pipeline/quantize.js";
import { readAll } from "../../src/pipeline/quantized-files.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { LoadedRecipe } from "../../src/recipe/shipped.js";
import { openDequantized } from "../../src/schemes/stored/dequantized.js";
import type { Matrix } from "../../src/tensor/matrix.js";
import { bundledModel, hashesOf, suiteFolder, temporaryFolder, windowsOf } from "./run.js";

const kernels = openKernels();
const corpora = path.join(import.meta.dirname, "../../calibration");
const pairing = [{ transform: "pairing" }];

function recipeOf(transforms: readonly object[], rules: readonly object[] = rowByRow): LoadedRecipe {
  const calibration = { text: "the-miller-of-ashcombe.txt", samples: 6, length: 64 };
  const targets = [{ target: "lut-gemm" }];
  const text = JSON.stringify({ version: 1, calibration, transforms, rules, targets });
  return {
    name: "recipe of a test",
    file: path.join(corpora, "r.yaml"),
    text,
    recipe: parseRecipe(text, "r"),
  };
}

/** A scale a row: what a row's codes are does not depend on the order of its weights. */
const rowByRow = [
  { match: "lm_head", keep: "float" },
  { match: "*", quantize: { method: "rtn", bits: 3, group: "row" } },
];

async function run(out: string, recipe: LoadedRecipe, options: Partial<QuantizeOptions> = {}) {
  const stages: string[] = [];
  const onProgress = ({ stage, what }: { stage: string; what: string }) =>
    void stages.push(what === "" ? stage : `${stage} ${what}`);
  await quantize({ model: bundledModel, recipe, out, kernels, onProgress, ...options });
  return stages;
}

async function perplexityOf(folder: string) {
  const text = path.join(temporaryFolder(), "text.txt");
  writeFileSync(text, readFileSync(path.join(corpora, "the-fiddle-maker.txt"), "utf8").slice(0, 3000));
  return (await evaluatePerplexity({ path: folder, engine: "float", kernels, text: { text }, context: 64 }))
    .perplexity;
}

const ordersFile = (folder: string) => path.join(folder, "quantized", "channel-orders.safetensors");

async function ordersOf(folder: string): Promise<Readonly<Record<string, Uint32Array>>> {
  const tensors = Object.entries(await readAll(ordersFile(folder)));
  return Object.fromEntries(
    tensors.map(([name, { bytes }]) => [name, new Uint32Array(bytes.slice().buffer)]),
  );
}

describe("a run with paired channels", async () => {
  const folder = suiteFolder();
  const [plain, paired] = [path.join(folder, "plain"), path.join(folder, "paired")];
  await run(plain, recipeOf([]));
  await run(paired, recipeOf(pairing));
  const before = hashesOf(paired);

  test("is as good as one without, where the order of channels does not matter", async () => {
    expect(await perplexityOf(paired)).toBeCloseTo(await perplexityOf(plain), 4);
    const file = "quantized/linears/model.layers.1.mlp.down_proj.safetensors";
    expect(before[file]).not.toBe(hashesOf(plain)[file]);
  });

  test("keeps the float model, all of it in another order", async () => {
    const out = temporaryFolder();
    await run(out, recipeOf(pairing, [{ match: "*", keep: "float" }]));
    expect(await perplexityOf(out)).toBeCloseTo(await perplexityOf(bundledModel), 4);
    const embedding = "model.embed_tokens.weight";
    const kept = await readAll(path.join(out, "quantized", "kept.safetensors"));
    const checkpoint = await openDequantized(bundledModel);
    expect(kept[embedding].bytes).not.toEqual(await checkpoint.read(embedding));
    await checkpoint.close();
  });

  test("folded norms come out the same in any order of channels", async () => {
    const [inOrder, folded] = [temporaryFolder(), temporaryFolder()];
    const fold = { transform: "fold-norms" };
    await run(inOrder, recipeOf([fold, ...pairing], [{ match: "*", keep: "float" }]));
    await run(folded, recipeOf([fold], [{ match: "*", keep: "float" }]));
    const [one, other] = [await perplexityOf(inOrder), await perplexityOf(folded)];
    expect(one).toBeCloseTo(other, 3);
    // Constants in place of norms of queries and keys cost something: a model without them is another one.
    const cost = other / (await perplexityOf(bundledModel));
    expect(cost).toBeGreaterThan(1.05);
    expect(cost).toBeLessThan(1.4);
  });

  test("has an order for every group of channels", async () => {
    const orders = await ordersOf(paired);
    expect(Object.keys(orders).sort().slice(0, 4)).toEqual([
      "model.layers.0.mlp",
      "model.layers.0.self_attn.values.0",
      "model.layers.0.self_attn.values.1",
      "model.layers.1.mlp",
    ]);
    for (const order of Object.values(orders))
      expect([...order].sort((a, b) => a - b)).toEqual([...order.keys()]);
  });

  test("pairs a feed-forward layer's channels by what the down projection makes of them", async () => {
    const down = "model.layers.0.mlp.down_proj";
    const moments: number[] = [];
    const observe = (linears: readonly string[], { columns, data }: Matrix) => {
      if (linears[0] !== down) return;
      for (const [i, value] of data.entries())
        moments[i % columns] = (moments[i % columns] ?? 0) + value * value;
    };
    const opened = await openModelAt({ path: bundledModel, engine: "float", kernels, observe });
    await opened.model.score(await windowsOf(recipeOf(pairing), bundledModel, opened.model.description));
    await opened.close();
    const checkpoint = await openDequantized(bundledModel);
    const weight = await readMatrix(checkpoint, `${down}.weight`, kernels);
    await checkpoint.close();
    const importance = moments.map((moment, column) => {
      let sum = 0;
      for (let row = 0; row < weight.rows; row++) sum += weight.data[row * weight.columns + column] ** 2;
      return moment * sum;
    });
    const falling = [...importance.keys()].sort((a, b) => importance[b] - importance[a]);
    const { "model.layers.0.mlp": order } = await ordersOf(paired);
    expect([...order.subarray(0, 6)]).toEqual([
      falling[0],
      falling[falling.length - 1],
      falling[1],
      falling[falling.length - 2],
      falling[2],
      falling[falling.length - 3],
    ]);
  });

  test("verifies, and a changed order is noticed", async () => {
    expect((await verifyRun(paired, kernels)).faults).toEqual([]);
    const bytes = readFileSync(ordersFile(paired));
    const changed = Buffer.from(bytes);
    changed[changed.length - 1] ^= 1;
    writeFileSync(ordersFile(paired), changed);
    const { faults } = await verifyRun(paired, kernels);
    writeFileSync(ordersFile(paired), bytes);
    expect(faults).toEqual([expect.stringContaining("channel-orders.safetensors: its sha256 is")]);
  });

  test("resumes without computing the float model, and what is missing is made in the same order", async () => {
    const linear = "model.layers.1.mlp.up_proj";
    rmSync(path.join(paired, "quantized", "linears", `${linear}.safetensors`));
    rmSync(path.join(paired, "quantized", "quantization.json"));
    const stages = await run(paired, recipeOf(pairing));
    expect(stages.filter((stage) => /^(transform|statistics|quantize .)/.test(stage))).toEqual([
      `quantize ${linear}`,
    ]);
    expect(hashesOf(paired)).toEqual(before);
  });

  test("whose orders are lost or damaged makes them again, and with them every linear", async () => {
    const damages = [
      () => rmSync(ordersFile(paired)),
      () => writeFileSync(ordersFile(paired), readFileSync(ordersFile(paired)).subarray(0, 5000)),
      () => writeFileSync(ordersFile(paired), readFileSync(ordersFile(paired)).fill(0, 8000)),
    ];
    for (const damage of damages) {
      damage();
      const stages = await run(paired, recipeOf(pairing));
      expect(stages.filter((stage) => stage.startsWith("quantize model"))).toHaveLength(28);
      expect(hashesOf(paired)).toEqual(before);
    }
  });

  test("has the same bytes on one thread and on two, and by the reference kernels", async () => {
    const others = [
      openKernels({ threads: 1 }),
      openKernels({ threads: 2 }),
      openKernels({ path: "reference" }),
    ];
    for (const [at, each] of others.entries()) {
      const out = path.join(folder, `other-${at}`);
      await run(out, recipeOf(pairing), { kernels: each });
      expect(hashesOf(out)).toEqual(before);
    }
  });

  test("is another run than one without", async () => {
    await expect(run(paired, recipeOf([]))).rejects.toThrow(/holds a run of another recipe/);
  });
});
