import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { estimate } from "../../src/pipeline/estimate.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { readQuantizedIndex } from "../../src/pipeline/quantized-files.js";
import { writeVectors } from "../../src/pipeline/vectors.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { loadDevice } from "../../src/recipe/device.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { coverageText } from "../../src/report/markdown.js";
import { summarizeRun } from "../../src/report/summary.js";
import { findTarget } from "../../src/targets/registry.js";
import { familyConfigs, writeFamily } from "./made-up-family.js";
import { suiteFolder, temporaryFolder } from "./run.js";

/* Every family from its checkpoint to a pack: quantized by weights alone and on calibration text, scored on the engine. */

const kernels = openKernels();
const names = Object.keys(familyConfigs) as (keyof typeof familyConfigs)[];
const text = "calibration: { text: calibration/sampled-from-tiny.txt, samples: 2, length: 16 }";
const headFloat = "{ match: lm_head, keep: float }";

async function quantized(
  family: keyof typeof familyConfigs,
  recipeLines: readonly string[],
  folder = temporaryFolder(),
) {
  const model = await writeFamily(path.join(folder, "model"), familyConfigs[family]);
  const run = path.join(folder, "run");
  const yaml = ["version: 1", ...recipeLines].join("\n");
  const file = packagePath("recipe.yaml");
  const recipe = { name: "recipe", file, text: yaml, recipe: parseRecipe(yaml, file) };
  await quantize({ model, recipe, out: run, kernels });
  return { model, run };
}

/** What a model gives for a text: logits of tokens, or of classes and answers. */
async function outputs(folder: string, engine: "float" | "lut"): Promise<Float32Array> {
  const { model, close } = await openModelAt({ path: folder, engine, kernels });
  const tokens = Int32Array.from({ length: 20 }, (_, i) => 3 + ((i * 37) % 2000));
  try {
    if (model.description.kind === "causal") return (await model.logits(tokens)).data;
    return (await model.readout([{ tokens, segments: null }]))[0].data;
  } finally {
    await close();
  }
}

function distance(a: Float32Array, b: Float32Array): number {
  const norm = (values: Float32Array) => Math.hypot(...values);
  return norm(a.map((value, i) => value - b[i])) / norm(b);
}

describe.each(names)("%s", (family) => {
  test("a run that keeps everything float computes what its checkpoint computes", async () => {
    const { model, run } = await quantized(family, ["rules: [{ match: '*', keep: float }]"]);
    expect(await outputs(run, "float")).toEqual(await outputs(model, "float"));
  });

  test("the pack is sound, and the engine gives on it what the dequantized weights give", async () => {
    const rule = "{ match: '*', quantize: { method: rtn, bits: 4, group: 32 } }";
    const { run } = await quantized(family, [
      `rules: [${headFloat}, ${rule}]`,
      "targets: [{ target: lut-tensor-core, tileOutputs: 32 }]",
    ]);
    expect((await verifyRun(run, kernels)).faults).toEqual([]);
    // A token whose router is nearly undecided may go to another expert, and later tokens see it.
    const near = family === "qwen3-moe" ? 0.1 : 0.02;
    expect(distance(await outputs(run, "lut"), await outputs(run, "float"))).toBeLessThan(near);
  });

  test("GPTQ fits every linear of a block, and errors of outputs stay small", async () => {
    const rule = "{ match: '*', quantize: { method: gptq, bits: 6, group: 32 } }";
    const { model, run } = await quantized(family, [text, `rules: [${headFloat}, ${rule}]`]);
    expect(distance(await outputs(run, "float"), await outputs(model, "float"))).toBeLessThan(0.2);
  });
});

describe("experts", () => {
  /** Sixteen experts of which a token goes to one: 32 tokens of text leave some without any. */
  const family = "qwen3-moe";
  const experts = (quantize: string, rest = "") => [
    text,
    `rules: [{ match: "*.experts.*", quantize: ${quantize}${rest} }, { match: "*", keep: float }]`,
  ];

  let fitted = "";
  beforeAll(async () => {
    fitted = (await quantized(family, experts("{ method: gptq, bits: 4, group: 32 }"), suiteFolder())).run;
  });

  test("calibration counts the tokens that reach each; every token reaches one in each block", async () => {
    const { linears } = await readQuantizedIndex(fitted);
    expect(linears).toHaveLength(2 * 16 * 3);
    for (const block of [0, 1]) {
      const downs = linears.filter(
        ({ name }) => name.startsWith(`model.layers.${block}.`) && name.endsWith("down_proj"),
      );
      expect(downs.reduce((sum, { tokens = Number.NaN }) => sum + tokens, 0)).toBe(2 * 16);
    }
  });

  test("the report names those that no token reaches", async () => {
    const { linears } = await readQuantizedIndex(fitted);
    const missed = linears.filter(({ tokens }) => tokens === 0).map(({ name }) => name);
    expect(missed.length).toBeGreaterThan(0);
    const [range, none] = coverageText(await summarizeRun(fitted));
    expect(range).toMatch(/^96 linears of experts were fitted to 0 to \d+ tokens of the calibration text/);
    expect(none).toBe(`reached by none, and fitted to inputs that are all alike: ${missed.join(", ")}`);
  });

  test("without tokens GPTQ is rounding to nearest", async () => {
    const rtn = await quantized(family, experts("{ method: rtn, bits: 4, group: 32, symmetric: false }"));
    const rounded = new Map((await readQuantizedIndex(rtn.run)).linears.map((each) => [each.name, each]));
    for (const { name, tokens, relativeError } of (await readQuantizedIndex(fitted)).linears) {
      const error = rounded.get(name)?.relativeError ?? Number.NaN;
      if (tokens === 0) expect(relativeError).toBeCloseTo(error, 3);
      else expect(relativeError).toBeGreaterThan(error);
    }
  });

  test.each([
    "{ method: gptq, bits: 3, group: 32, aim: float }",
    "{ method: compensated-trit-planes, group: 32 }",
    "{ method: awq, group: 32 }",
    "{ method: squeeze }",
    "{ method: shift-add, group: 32 }",
    "{ method: llm-int8 }",
    "{ method: fmpq, block: 32 }",
    "{ method: co-quantization, inputs: float, table: none, group: 32 }",
  ])("%s is finite for experts with many, few and no tokens", async (method) => {
    const { model, run } = await quantized(family, experts(method));
    const found = await outputs(run, "float");
    expect(found.every(Number.isFinite)).toBe(true);
    expect(distance(found, await outputs(model, "float"))).toBeLessThan(0.9);
  });

  test.each([
    ["{ method: co-quantization, group: 32 }", "", "no token of the calibration text reaches"],
    [
      "{ method: rtn, bits: 4, group: 32 }",
      ", activation: { scheme: int8, per: tensor }",
      "no token of the calibration text",
    ],
    ["{ method: mixllm, group: 32 }", "", "no token of the calibration text reaches"],
    ["{ method: gptq, group: 32 }", ", biasCorrection: own", "only some tokens of a window reach an expert"],
  ])("%s%s is refused by name", async (method, rest, reason) => {
    const refused = quantized(family, experts(method, rest));
    await expect(refused).rejects.toThrow(reason);
    await expect(refused).rejects.toThrow(/experts\.\d+\.(gate|up|down)_proj/);
  });

  test("no vectors are written of an expert that fewer tokens reach than are asked for", async () => {
    const { run } = await quantized(family, [
      text,
      `rules: [{ match: "*.experts.*", quantize: { method: gptq, bits: 4, group: 32 } }, { match: "*", keep: float }]`,
      "targets: [{ target: lut-tensor-core, tileOutputs: 32 }]",
    ]);
    const missed = (await readQuantizedIndex(run)).linears.find(({ tokens }) => tokens === 0)?.name ?? "";
    const written = writeVectors({
      ...{
        run,
        out: temporaryFolder(),
        target: "lut-tensor-core",
        linears: [missed],
        encodings: ["bin"],
        seed: 0,
      },
      ...{ text: { text: packagePath("calibration/the-miller-of-ashcombe.txt") }, activations: 64, kernels },
    });
    await expect(written).rejects.toThrow(/^\d+ tokens of the text reach .*; 64 are asked for$/);
  });

  test("costs are not estimated: their models count every linear for every token", async () => {
    const model = await writeFamily(path.join(temporaryFolder(), "model"), familyConfigs[family]);
    const request = {
      prefill: 16,
      decode: 16,
      target: findTarget("t-mac"),
      device: await loadDevice("raspberry-pi-5"),
    };
    await expect(estimate({ path: model, ...request })).rejects.toThrow("computes some experts a token");
  });
});

describe("what is known of Llamas only is refused for other families", () => {
  const int4 = '{ match: "*", quantize: { method: rtn, bits: 4, group: 32, symmetric: true } }';

  test.each(["onnx", "gguf", "compressed-tensors", "gptq"])(
    "%s, as files of another runtime",
    async (target) => {
      for (const family of ["gpt2", "mixtral", "bert", "phi3"] as const) {
        const head = family === "bert" ? "" : `${headFloat}, `;
        const refused = quantized(family, [`rules: [${head}${int4}]`, `targets: [{ target: ${target} }]`]);
        await expect(refused).rejects.toThrow(new RegExp(`the model: ${target}: `));
      }
    },
  );

  test.each(["pairing", "smoothquant", "awq", "hadamard", "fold-norms"])(
    "%s, as a transform",
    async (transform) => {
      for (const family of ["gpt2", "mixtral", "bert"] as const) {
        const head = family === "bert" ? "" : `${headFloat}, `;
        const refused = quantized(family, [
          text,
          `transforms: [{ transform: ${transform} }]`,
          `rules: [${head}${int4}]`,
        ]);
        await expect(refused).rejects.toThrow(LuthierError);
        await expect(refused).rejects.toThrow(transform);
      }
    },
  );
});
