// Writes a checkpoint of Qwen3-0.6B's shapes, or others, with seeded random weights: BF16, sharded, tied head.
//   node bench/random-checkpoint.mjs <dir> [--layers 28] [--seed 1] [--shape normal|small|wide] [--vocabulary 151936]
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { writeSafetensors } from "../dist/src/checkpoint/safetensors.js";
import { packagePath } from "../dist/src/package.js";

export const shape = {
  hidden: 1024,
  intermediate: 3072,
  heads: 16,
  keyValueHeads: 8,
  headSize: 128,
  vocabulary: 151936,
};

/** 3.1 M weights a block, for what should be quick. */
export const smallShape = {
  hidden: 512,
  intermediate: 1536,
  heads: 8,
  keyValueHeads: 4,
  headSize: 64,
  vocabulary: 4096,
};

/** Qwen3-4B's: 101 M weights a block, 36 blocks. */
export const wideShape = {
  hidden: 2560,
  intermediate: 9728,
  heads: 32,
  keyValueHeads: 8,
  headSize: 128,
  vocabulary: 151936,
};

const tensorsPerShard = 110; // three shards of 28 blocks
const chunkWeights = 2 ** 22;

export async function writeRandomCheckpoint(directory, layers, seed, sizes = shape) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, "config.json"), `${JSON.stringify(config(layers, sizes), null, 2)}\n`);
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    copyFileSync(path.join(packagePath("models/tiny"), name), path.join(directory, name));
  }
  const tensors = tensorShapes(layers, sizes);
  const shards = Math.ceil(tensors.length / tensorsPerShard);
  const weightMap = {};
  for (let shard = 0; shard < shards; shard++) {
    const file = `model-${String(shard + 1).padStart(5, "0")}-of-${String(shards).padStart(5, "0")}.safetensors`;
    const own = tensors.slice(shard * tensorsPerShard, (shard + 1) * tensorsPerShard);
    await writeSafetensors(
      path.join(directory, file),
      own.map(([name, dimensions], index) => ({
        name,
        dtype: "BF16",
        shape: dimensions,
        bytes: randomWeights(dimensions, seed + shard * tensorsPerShard + index),
      })),
    );
    for (const [name] of own) weightMap[name] = file;
  }
  const index = { metadata: {}, weight_map: weightMap };
  writeFileSync(path.join(directory, "model.safetensors.index.json"), JSON.stringify(index));
}

function config(layers, sizes) {
  return {
    architectures: ["Qwen3ForCausalLM"],
    model_type: "qwen3",
    hidden_size: sizes.hidden,
    intermediate_size: sizes.intermediate,
    num_hidden_layers: layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.keyValueHeads,
    head_dim: sizes.headSize,
    vocab_size: sizes.vocabulary,
    max_position_embeddings: 40960,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    tie_word_embeddings: true,
    torch_dtype: "bfloat16",
  };
}

function tensorShapes(layers, { hidden, intermediate, heads, keyValueHeads, headSize, vocabulary }) {
  const block = (i) => [
    [`model.layers.${i}.self_attn.q_proj.weight`, [heads * headSize, hidden]],
    [`model.layers.${i}.self_attn.k_proj.weight`, [keyValueHeads * headSize, hidden]],
    [`model.layers.${i}.self_attn.v_proj.weight`, [keyValueHeads * headSize, hidden]],
    [`model.layers.${i}.self_attn.o_proj.weight`, [hidden, heads * headSize]],
    [`model.layers.${i}.self_attn.q_norm.weight`, [headSize]],
    [`model.layers.${i}.self_attn.k_norm.weight`, [headSize]],
    [`model.layers.${i}.mlp.gate_proj.weight`, [intermediate, hidden]],
    [`model.layers.${i}.mlp.up_proj.weight`, [intermediate, hidden]],
    [`model.layers.${i}.mlp.down_proj.weight`, [hidden, intermediate]],
    [`model.layers.${i}.input_layernorm.weight`, [hidden]],
    [`model.layers.${i}.post_attention_layernorm.weight`, [hidden]],
  ];
  const blocks = Array.from({ length: layers }, (_, i) => block(i)).flat();
  return [["model.embed_tokens.weight", [vocabulary, hidden]], ...blocks, ["model.norm.weight", [hidden]]];
}

/** BF16 patterns of N(0, 0.02²) at 65,536 quantiles: a random index is a random weight. */
const quantiles = (() => {
  const samples = Float32Array.from({ length: 65536 }, (_, i) => {
    // Two uniform streams from one index give Box–Muller its pair; sorting is not needed.
    const u = (i + 0.5) / 65536;
    const v = ((i * 40503) % 65536) / 65536;
    return 0.02 * Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  });
  return Uint16Array.from(new Uint32Array(samples.buffer), (bits) => (bits + 0x8000) >>> 16);
})();

/** Norms are ones, matrices random. */
async function* randomWeights(dimensions, seed) {
  const count = dimensions.reduce((product, size) => product * size, 1);
  if (dimensions.length === 1) return yield new Uint8Array(new Uint16Array(count).fill(0x3f80).buffer);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let first = 0; first < count; first += chunkWeights) {
    const chunk = new Uint16Array(Math.min(chunkWeights, count - first));
    for (let i = 0; i < chunk.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      chunk[i] = quantiles[state & 0xffff];
    }
    yield new Uint8Array(chunk.buffer);
  }
}

if (process.argv[1] === (await import("node:url")).fileURLToPath(import.meta.url)) {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      layers: { type: "string", default: "28" },
      seed: { type: "string", default: "1" },
      shape: { type: "string", default: "normal" },
      vocabulary: { type: "string" },
    },
  });
  const [directory] = positionals;
  const sizes = { normal: shape, small: smallShape, wide: wideShape }[values.shape];
  const vocabulary = Number(values.vocabulary ?? sizes.vocabulary);
  await writeRandomCheckpoint(directory, Number(values.layers), Number(values.seed), {
    ...sizes,
    vocabulary,
  });
  console.log(`${directory}: ${values.layers} blocks of the ${values.shape} shape`);
}
