import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { generatedSource } from "../model/generated-checkpoint.js";

/** A checkpoint of one small block that every target takes, and the bundled model's tokenizer. */
const config = {
  model_type: "qwen3",
  hidden_size: 128,
  intermediate_size: 256,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 32,
  vocab_size: 2048,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
};

export async function writeTinyCheckpoint(folder: string): Promise<string> {
  const shapes = shapesOf();
  const source = generatedSource(shapes);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    await cp(packagePath(path.join("models/tiny", file)), path.join(folder, file));
  const tensors = Object.entries(shapes).map(async ([name, shape]) => {
    return { name, dtype: "F32" as const, shape, bytes: await source.read(name) };
  });
  await writeSafetensors(path.join(folder, "model.safetensors"), await Promise.all(tensors));
  return folder;
}

/** A finished run of it in `folder`, by one rule, with a pack for a target where one is named. */
export async function writeTinyRun(
  folder: string,
  target: string | null,
  rule: object,
  parameters: object = {},
): Promise<void> {
  const model = await writeTinyCheckpoint(path.join(folder, "model"));
  const text = JSON.stringify({
    version: 1,
    calibration: { text: "the-miller-of-ashcombe.txt", samples: 2, length: 32 },
    rules: [
      { match: "lm_head", keep: "float" },
      { match: "*", ...rule },
    ],
    targets: target === null ? [] : [{ target, ...parameters }],
  });
  const file = packagePath("calibration/fuzz.yaml");
  const recipe = { name: "fuzz", file, text, recipe: parseRecipe(text, file) };
  await quantize({ model, recipe, out: path.join(folder, "run"), kernels: openKernels() });
}

/** Small files of a folder, as samples. */
export async function samplesIn(folder: string, isWanted: (file: string) => boolean) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .filter(isWanted)
    .sort();
  return Promise.all(files.map(async (file) => ({ file, bytes: await readFile(path.join(folder, file)) })));
}

function shapesOf(): Record<string, readonly number[]> {
  const { hidden_size: hidden, intermediate_size: wide, head_dim: size, num_attention_heads: heads } = config;
  const block = {
    "self_attn.q_proj": [heads * size, hidden],
    "self_attn.k_proj": [heads * size, hidden],
    "self_attn.v_proj": [heads * size, hidden],
    "self_attn.o_proj": [hidden, heads * size],
    "mlp.gate_proj": [wide, hidden],
    "mlp.up_proj": [wide, hidden],
    "mlp.down_proj": [hidden, wide],
    input_layernorm: [hidden],
    post_attention_layernorm: [hidden],
    "self_attn.q_norm": [size],
    "self_attn.k_norm": [size],
  };
  return {
    "model.embed_tokens.weight": [config.vocab_size, hidden],
    "model.norm.weight": [hidden],
    ...Object.fromEntries(
      Object.entries(block).map(([name, shape]) => [`model.layers.0.${name}.weight`, shape]),
    ),
  };
}
