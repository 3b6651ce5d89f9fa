import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type NamedTensor, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { readMatrix } from "../../src/checkpoint/tensors.js";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { planModel, quantize } from "../../src/pipeline/quantize.js";
import {
  named,
  openKept,
  quantizedFolder,
  readAll,
  readQuantizedIndex,
  readScheme,
} from "../../src/pipeline/quantized-files.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import type { PlanesScheme } from "../../src/schemes/planes.js";
import { openDequantized } from "../../src/schemes/stored/dequantized.js";
import { dequantize } from "../../src/schemes/weights.js";
import { bundledModel, hashesOf, recipeOf, suiteFolder, temporaryFolder } from "./run.js";

/* Checkpoints that are quantized already: what Luthier wrote for other runtimes, and BitNet's, are read as they are. */

const kernels = openKernels();
const keepHead = { match: "lm_head", keep: "float" };
const asStored = { match: "*", quantize: { method: "stored" } };
const rtn = (options: object) => ({ method: "rtn", ...options });

/** Linears of one run that are compared, whole. */
const linears = [
  "model.layers.0.self_attn.q_proj",
  "model.layers.1.self_attn.o_proj",
  "model.layers.3.mlp.down_proj",
];

async function tensorsOf(run: string, folder: string) {
  return Promise.all(
    linears.map((linear) => readAll(path.join(run, folder, "linears", `${linear}.safetensors`))),
  );
}

async function perplexityOf(folder: string, engine: "float" | "lut" = "float", target?: string) {
  const text = path.join(temporaryFolder(), "text.txt");
  writeFileSync(
    text,
    readFileSync(path.join(import.meta.dirname, "../../calibration/the-fiddle-maker.txt"), "utf8").slice(
      0,
      3000,
    ),
  );
  const options = { path: folder, engine, kernels, text: { text }, context: 64, ...(target && { target }) };
  return (await evaluatePerplexity(options)).perplexity;
}

describe.each([
  ["gptq", { checkpointFormat: "gptq" }, [{ match: "*", quantize: rtn({ symmetric: true }) }]],
  [
    "gptq",
    { checkpointFormat: "gptq_v2" },
    [
      { match: "*.v_proj", keep: "float" },
      { match: "*.o_proj", quantize: rtn({ bits: 3, group: 64 }) },
      { match: "*", quantize: rtn({ bits: 4 }) },
    ],
  ],
  [
    "compressed-tensors",
    {},
    [
      { match: "*.gate_proj", quantize: { method: "twn", group: 64 } },
      { match: "*.o_proj", quantize: rtn({ bits: 2, group: "row" }) },
      { match: "*", quantize: rtn({ bits: 4 }) },
    ],
  ],
])("a checkpoint written for %s with %o", (target, parameters, rules) => {
  const folder = suiteFolder();
  const [first, again] = [path.join(folder, "first"), path.join(folder, "again")];
  const checkpoint = path.join(first, "packs", target);

  beforeAll(async () => {
    const targets = [{ target, ...parameters }, { target: "t-mac" }];
    await quantize({
      model: bundledModel,
      recipe: recipeOf([keepHead, ...rules], targets),
      out: first,
      kernels,
    });
    const kept = rules.filter((rule) => "keep" in rule);
    const recipe = recipeOf([keepHead, ...kept, asStored], [{ target: "t-mac" }]);
    await quantize({ model: checkpoint, recipe, out: again, kernels });
  });

  test("verifies as a pack", async () => {
    expect((await verifyRun(first, kernels)).faults).toEqual([]);
  });

  test("gives the codes, scales and t-mac bytes of the first run", async () => {
    // A plane comes back as the two-bit codes that the file holds; these linears are whole numbers in both runs.
    expect(await tensorsOf(again, "quantized")).toEqual(await tensorsOf(first, "quantized"));
    expect(await tensorsOf(again, "packs/t-mac")).toEqual(await tensorsOf(first, "packs/t-mac"));
    const { linears: entries } = await readQuantizedIndex(again);
    expect(entries.every(({ relativeError }) => relativeError === 0)).toBe(true);
  });

  test("has the run's perplexity, to the last bit, as a model, as a pack and read again", async () => {
    const expected = await perplexityOf(first);
    expect(await perplexityOf(checkpoint)).toBe(expected);
    expect(await perplexityOf(again)).toBe(expected);
    expect(await perplexityOf(first, "lut", target)).toBe(expected);
  });
});

describe("BitNet's checkpoints", () => {
  const folder = suiteFolder();
  const [first, packed, again] = ["first", "packed", "again"].map((name) => path.join(folder, name));

  beforeAll(async () => {
    const ternary = {
      match: "*",
      quantize: { method: "absmean" },
      activation: { scheme: "int8" },
    };
    const targets = [{ target: "tellme" }];
    await quantize({
      model: bundledModel,
      recipe: recipeOf([keepHead, ternary], targets),
      out: first,
      kernels,
    });
    await writeBitnet(first, packed);
    await quantize({ model: packed, recipe: recipeOf([keepHead, asStored], targets), out: again, kernels });
  });

  test("are one trit plane with INT8 inputs, and give the bytes of a ternary run", async () => {
    expect(await tensorsOf(again, "quantized")).toEqual(await tensorsOf(first, "quantized"));
    expect(await tensorsOf(again, "packs/tellme")).toEqual(await tensorsOf(first, "packs/tellme"));
    const { linears: entries } = await readQuantizedIndex(again);
    expect(entries.every(({ activation }) => activation.scheme === "int8")).toBe(true);
  });

  test("are scored as the runtime computes them, inputs included", async () => {
    expect(await perplexityOf(packed)).toBe(await perplexityOf(first));
  });
});

/** Writes a ternary run as transformers packs BitNet: trits of the four quarters of the rows in one byte. */
async function writeBitnet(run: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const config = JSON.parse(readFileSync(path.join(bundledModel, "config.json"), "utf8"));
  const quantization_config = {
    quant_method: "bitnet",
    linear_class: "autobitlinear",
    quantization_mode: "offline",
  };
  writeFileSync(path.join(folder, "config.json"), JSON.stringify({ ...config, quantization_config }));
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
    copyFileSync(path.join(bundledModel, file), path.join(folder, file));
  }
  const tensors: NamedTensor[] = [];
  for (const { name, file, weight } of (await readQuantizedIndex(run)).linears) {
    const scheme = await readScheme(path.join(quantizedFolder(run), file), weight);
    const { codes, scales, rows, columns } = scheme as PlanesScheme;
    const quarter = (rows / 4) * columns;
    const digit = (part: number, at: number) => (codes[part * quarter + at] + 1) << (2 * part);
    const bytes = Uint8Array.from(
      { length: quarter },
      (_, at) => digit(0, at) | digit(1, at) | digit(2, at) | digit(3, at),
    );
    tensors.push({ name: `${name}.weight`, dtype: "U8", shape: [rows / 4, columns], bytes });
    tensors.push({
      name: `${name}.weight_scale`,
      dtype: "F32",
      shape: [1],
      bytes: new Uint8Array(scales.slice().buffer),
    });
  }
  const kept = await readAll(path.join(quantizedFolder(run), "kept.safetensors"));
  await writeSafetensors(path.join(folder, "model.safetensors"), [...tensors, ...named(kept)]);
}

describe("a quantized checkpoint", () => {
  const folder = suiteFolder();
  const checkpoint = path.join(folder, "first/packs/gptq");
  const down = "model.layers.3.mlp.down_proj";

  beforeAll(async () => {
    const recipe = recipeOf(
      [keepHead, { match: "*", quantize: rtn({ symmetric: true }) }],
      [{ target: "gptq" }],
    );
    await quantize({ model: bundledModel, recipe, out: path.join(folder, "first"), kernels });
  });

  test("is dequantized for another quantizer and for linears that are to be float", async () => {
    const out = temporaryFolder();
    const rules = [
      keepHead,
      { match: "*.down_proj", keep: "float" },
      { match: "*", quantize: { method: "twn" } },
    ];
    await quantize({ model: checkpoint, recipe: recipeOf(rules), out, kernels });
    const first = await readQuantizedIndex(path.join(folder, "first"));
    const entry = first.linears.find(({ name }) => name === down)!;
    const scheme = await readScheme(
      path.join(quantizedFolder(path.join(folder, "first")), entry.file),
      entry.weight,
    );
    const kept = await openKept(out);
    expect(await readMatrix(kept, `${down}.weight`, kernels)).toEqual(dequantize(scheme));
    await kept.close();
    expect((await readQuantizedIndex(out)).linears[0].relativeError).toBeGreaterThan(0.2);
  });

  test("is written for another runtime with the same codes, and under that one's name", async () => {
    const out = temporaryFolder();
    const recipe = recipeOf([keepHead, asStored], [{ target: "compressed-tensors" }]);
    await quantize({ model: checkpoint, recipe, out, kernels });
    const written = await openDequantized(path.join(out, "packs/compressed-tensors"));
    expect(written.quantization).toMatchObject({ quant_method: "compressed-tensors", ignore: ["lm_head"] });
    const original = await openDequantized(checkpoint);
    expect(await written.stored.get(`${down}.weight`)!.scheme()).toEqual(
      await original.stored.get(`${down}.weight`)!.scheme(),
    );
    await Promise.all([written.close(), original.close()]);
  });

  test("is gone on with where a run stopped, to the same bytes", async () => {
    const out = temporaryFolder();
    const options = {
      model: checkpoint,
      recipe: recipeOf([keepHead, asStored], [{ target: "t-mac" }]),
      out,
      kernels,
    };
    await quantize(options);
    const before = hashesOf(out);
    rmSync(path.join(out, "quantized/linears", `${down}.safetensors`));
    const computed: string[] = [];
    await quantize({
      ...options,
      onProgress: ({ stage, what }) => void (stage === "quantize" && what !== "" && computed.push(what)),
    });
    expect(computed).toEqual([down]);
    expect(hashesOf(out)).toEqual(before);
  });

  test("shows in a plan what its linears are", async () => {
    const { linears: planned } = await planModel(checkpoint, recipeOf([keepHead, asStored]));
    expect(planned[0].quantize).toMatchObject({
      weight: { scheme: "int", bits: 4, group: 128, symmetric: true },
    });
  });
});

describe("is refused in the plan, with the linears' names:", () => {
  test("a linear that is not stored quantized", async () => {
    await expect(planModel(bundledModel, recipeOf([asStored]))).rejects.toThrow(
      /model\.layers\.0\.self_attn\.q_proj, .* and 26 more: the checkpoint does not hold it quantized — give it a rule/,
    );
  });

  test("inputs in the order of their activations, and a target that does not take what is stored", async () => {
    const folder = temporaryFolder();
    const recipe = recipeOf(
      [keepHead, { match: "*", quantize: rtn({ bits: 8, symmetric: true }) }],
      [{ target: "gptq" }],
    );
    await quantize({ model: bundledModel, recipe, out: folder, kernels });
    const checkpoint = path.join(folder, "packs/gptq");
    const file = path.join(checkpoint, "model.safetensors");
    const tensors = await readAll(file);
    const name = "model.layers.2.mlp.up_proj";
    const groups = Int32Array.from({ length: 256 }, (_, k) => k % 2);
    const order = { ...tensors[`${name}.g_idx`], bytes: new Uint8Array(groups.buffer) };
    await writeSafetensors(file, named({ ...tensors, [`${name}.g_idx`]: order }));
    const planned = planModel(checkpoint, recipeOf([keepHead, asStored], [{ target: "t-mac" }]));
    await expect(planned).rejects.toThrow(`${name}: ${name} was quantized in the order of its activations`);
    await expect(planned).rejects.toThrow(/and 24 more: t-mac: its codes have 8 bits/);
  });
});
