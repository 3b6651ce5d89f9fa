import { writeFile } from "node:fs/promises";
import path from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { writeSafetensors } from "../../../src/checkpoint/safetensors.js";
import { openKernels } from "../../../src/kernels/open.js";
import { openModelAt } from "../../../src/pipeline/open-model.js";
import { quantize } from "../../../src/pipeline/quantize.js";
import { verifyRun } from "../../../src/pipeline/verify.js";
import { parseRecipe } from "../../../src/recipe/parse.js";
import { furthestApart } from "../../model/furthest-apart.js";
import { generatedSource } from "../../model/generated-checkpoint.js";
import { type LlamaVariant, llamaVariants } from "../../model/llama-variants.js";
import { temporaryFolder } from "../../pipeline/run.js";

/* Whole files of small checkpoints with every flag of the family: grouped heads, biases, norms, windows, scalings. */

const kernels = openKernels();

/** The head is quantized, tied or not; 44 inputs are no whole blocks; the rest is carried in 2, 4 and 8 bits. */
const recipe = `version: 1
rules:
  - { match: "*.down_proj", keep: float }
  - { match: ["lm_head", "*.v_proj"], quantize: { method: rtn, bits: 8, group: row } }
  - { match: "*.o_proj", keep: float }
  - { match: "*.up_proj", quantize: { method: absmean, group: tensor } }
  - { match: "*.gate_proj", quantize: { method: rtn, bits: 3, group: 16, symmetric: true } }
  - { match: "*", quantize: { method: rtn, bits: 4, group: 16 } }
targets: [{ target: onnx }]`;

test.each(Object.entries(llamaVariants))(
  "onnxruntime computes %s as the dequantized weights",
  async (_, variant) => {
    const run = await quantized(variant);
    const limit = Number(variant.config.max_position_embeddings);
    const tokens = Int32Array.from(variant.windows[0]).subarray(0, limit);
    const session = await InferenceSession.create(path.join(run, "packs/onnx/model.onnx"), {
      logSeverityLevel: 3,
    });
    const ids = new Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length]);
    const { logits } = await session.run({ input_ids: ids });
    const { model, close } = await openModelAt({ path: run, engine: "float", kernels });
    const expected = await model.logits(tokens);
    await close();
    expect(furthestApart(logits.data as Float32Array, expected.data)).toBeLessThan(1e-4);
    expect((await verifyRun(run, kernels)).faults).toEqual([]);
  },
);

async function quantized({ config, tensors }: LlamaVariant): Promise<string> {
  const folder = temporaryFolder();
  const source = generatedSource(tensors);
  const named = Object.entries(tensors).map(async ([name, shape]) => ({
    ...{ name, dtype: "F32" as const, shape },
    bytes: await source.read(name),
  }));
  await writeSafetensors(path.join(folder, "model.safetensors"), await Promise.all(named));
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  const out = path.join(folder, "run");
  const loaded = {
    name: "recipe",
    file: "recipe.yaml",
    text: recipe,
    recipe: parseRecipe(recipe, "recipe.yaml"),
  };
  await quantize({ model: folder, recipe: loaded, out, kernels });
  return out;
}
