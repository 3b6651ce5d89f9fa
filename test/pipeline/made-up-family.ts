import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { LuthierError } from "../../src/error.js";
import { describeModel } from "../../src/model/model.js";
import { generatedSource } from "../model/generated-checkpoint.js";
import { bundledModel } from "./run.js";

/* Small checkpoints of families, with the bundled model's tokenizer: their weights are noise that follows from their names. */

const sizes = {
  vocab_size: 2048,
  hidden_size: 64,
  intermediate_size: 64,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  max_position_embeddings: 64,
};

export const familyConfigs = {
  bert: { ...sizes, model_type: "bert", architectures: ["BertForSequenceClassification"] },
  roberta: { ...sizes, model_type: "roberta", architectures: ["RobertaForQuestionAnswering"] },
  distilbert: {
    ...{
      model_type: "distilbert",
      architectures: ["DistilBertForQuestionAnswering"],
      dim: 64,
      hidden_dim: 64,
    },
    ...{ n_layers: 2, n_heads: 4, vocab_size: 2048, max_position_embeddings: 64 },
  },
  gpt2: {
    model_type: "gpt2",
    n_embd: 64,
    n_layer: 2,
    n_head: 4,
    n_inner: 64,
    n_positions: 64,
    vocab_size: 2048,
  },
  "gpt-neox": { ...sizes, model_type: "gpt_neox" },
  opt: { ...sizes, model_type: "opt", ffn_dim: 64 },
  bloom: { model_type: "bloom", hidden_size: 64, n_layer: 2, n_head: 4, vocab_size: 2048 },
  gemma: { ...sizes, model_type: "gemma3_text", sliding_window: 8, sliding_window_pattern: 2 },
  phi3: { ...sizes, model_type: "phi3" },
  mixtral: { ...sizes, model_type: "mixtral", num_local_experts: 4, num_experts_per_tok: 2 },
  "qwen3-moe": {
    ...{ ...sizes, model_type: "qwen3_moe", num_experts: 16, num_experts_per_tok: 1 },
    ...{ moe_intermediate_size: 64, tie_word_embeddings: true },
  },
} as const;

/** Writes one as a checkpoint. GPT-2's linears lie in it as `[N, K]` matrices' transposes, as transformers stores them. */
export async function writeFamily(
  folder: string,
  config: Readonly<Record<string, unknown>>,
): Promise<string> {
  const shapes = asStored(shapesOf(config));
  const source = generatedSource(shapes);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "config.json"), JSON.stringify(config));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(path.join(bundledModel, file), path.join(folder, file));
  const tensors = Object.entries(shapes).map(async ([name, shape]) => {
    return { name, dtype: "F32" as const, shape, bytes: await source.read(name) };
  });
  await writeSafetensors(path.join(folder, "model.safetensors"), await Promise.all(tensors));
  return folder;
}

type Shapes = Record<string, readonly number[]>;

/** The shapes that a family asks for, one refusal after another. */
function shapesOf(config: Readonly<Record<string, unknown>>): Shapes {
  const shapes: Shapes = { "classifier.weight": [2, 64] };
  for (;;) {
    try {
      const { floatTensors, blocks, head } = describeModel(config, (name) => shapes[name]);
      const named = new Set([
        ...floatTensors,
        ...[...blocks.flat(), head].flatMap((each) => each?.tensor ?? []),
      ]);
      return Object.fromEntries(Object.entries(shapes).filter(([name]) => named.has(name)));
    } catch (error) {
      const missing = /^tensor (\S+) is missing, config.json asks for \[([\d, ]+)\]$/;
      const asked = error instanceof LuthierError ? missing.exec(error.message) : null;
      if (asked === null) throw error;
      shapes[asked[1]] = asked[2].split(", ").map(Number);
    }
  }
}

function asStored(shapes: Shapes): Shapes {
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      /\.c_(attn|proj|fc)\.weight$/.test(name) ? shape.toReversed() : shape,
    ]),
  );
}
