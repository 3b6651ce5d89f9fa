import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { describeModel } from "../../src/model/model.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { LoadedRecipe } from "../../src/recipe/shipped.js";
import { generatedSource } from "../model/generated-checkpoint.js";
import { bundledModel } from "./run.js";

/** A Qwen3 of two small blocks that LUT-LLM's layout takes, with the bundled model's tokenizer. */
export const madeUpConfig = {
  model_type: "qwen3",
  hidden_size: 128,
  intermediate_size: 192,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  vocab_size: 2048,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
};

/** Writes it as a checkpoint; its weights are noise that follows from their names. */
export async function writeMadeUpModel(folder: string, changes: object = {}): Promise<string> {
  const config = { ...madeUpConfig, ...changes };
  const shapes = shapesOf(config);
  const source = generatedSource(shapes);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "config.json"), JSON.stringify(config));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(path.join(bundledModel, file), path.join(folder, file));
  await writeSafetensors(
    path.join(folder, "model.safetensors"),
    Object.entries(shapes).map(([name, shape]) => ({
      name,
      dtype: "F32",
      shape,
      bytes: (async function* () {
        yield await source.read(name);
      })(),
    })),
    {},
  );
  return folder;
}

/** A recipe of these rules for it, with four windows of calibration text; the head stays float. */
export function calibratedRecipe(rules: readonly object[], changes: object = {}): LoadedRecipe {
  const text = JSON.stringify({
    version: 1,
    calibration: { text: "the-miller-of-ashcombe.txt", samples: 4, length: 32 },
    rules: [{ match: "lm_head", keep: "float" }, ...rules],
    ...changes,
  });
  const file = path.join(import.meta.dirname, "../../calibration/test.yaml");
  return { name: "recipe of a test", file, text, recipe: parseRecipe(text, "test.yaml") };
}

/** Of every tensor; the architecture has to agree. */
function shapesOf(config: typeof madeUpConfig): Record<string, readonly number[]> {
  const { hidden_size: hidden, intermediate_size: wide, head_dim: size, model_type: type } = config;
  const [queries, keys] = [config.num_attention_heads * size, config.num_key_value_heads * size];
  const blocks = Array.from({ length: config.num_hidden_layers }, (_, layer) => {
    const tensors: Record<string, readonly number[]> = {
      "self_attn.q_proj": [queries, hidden],
      "self_attn.k_proj": [keys, hidden],
      "self_attn.v_proj": [keys, hidden],
      "self_attn.o_proj": [hidden, queries],
      "mlp.gate_proj": [wide, hidden],
      "mlp.up_proj": [wide, hidden],
      "mlp.down_proj": [hidden, wide],
      input_layernorm: [hidden],
      post_attention_layernorm: [hidden],
      ...(type === "qwen3" && { "self_attn.q_norm": [size], "self_attn.k_norm": [size] }),
    };
    return Object.entries(tensors).map(([name, shape]) => [`model.layers.${layer}.${name}.weight`, shape]);
  });
  const shapes = Object.fromEntries([
    ["model.embed_tokens.weight", [config.vocab_size, hidden]],
    ["model.norm.weight", [hidden]],
    ...blocks.flat(),
  ]);
  describeModel(config, (name) => shapes[name]); // throws where they are not those of the architecture
  return shapes;
}
