import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { writeSafetensors } from "../../../src/checkpoint/safetensors.js";
import { LuthierError } from "../../../src/error.js";
import { named } from "../../../src/pipeline/quantized-files.js";
import { openDequantized } from "../../../src/schemes/stored/dequantized.js";
import type { Tensors } from "../../../src/tensor/tensor.js";
import { storedCases } from "../../schemes/stored/computed.js";
import { bytes, floats, integers } from "../../schemes/stored/stored-source.js";
import { parserInFolder } from "../in-folder.js";
import { mutateJson } from "../mutate-json.js";
import { mutateSafetensors } from "../mutate-safetensors.js";
import { samplesIn } from "../tiny-run.js";

/** A checkpoint that is one quantized linear and a norm, and says how it is quantized. */
interface SmallCheckpoint {
  readonly quantization: object;
  readonly tensors: Tensors;
}

const compressed = (bits: number, format: string, inputs: object | null = null) => ({
  ...{ quant_method: "compressed-tensors", format },
  config_groups: {
    group_0: { targets: ["Linear"], weights: { num_bits: bits, type: "int" }, input_activations: inputs },
  },
});
const int8Inputs = { num_bits: 8, type: "int", strategy: "token", dynamic: true, symmetric: true };

/** As the libraries packed them (test/fixtures/make_stored.py), and the variants that are not among these. */
const checkpoints: Readonly<Record<string, readonly SmallCheckpoint[]>> = {
  gptq: storedCases("gptq").flatMap(({ bits, tensors }) =>
    ["gptq", "gptq_v2"].map((version) => ({
      quantization: { quant_method: "gptq", bits, checkpoint_format: version, pack_dtype: "int32" },
      tensors: { ...tensors, bias: floats(Array(tensors.scales.shape[1]).fill(0)) },
    })),
  ),
  awq: storedCases("awq").map(({ tensors }) => ({
    quantization: { quant_method: "awq", bits: 4, version: "gemm" },
    tensors,
  })),
  bitnet: storedCases("bitnet").flatMap(({ tensors }) =>
    ["autobitlinear", "bitlinear"].map((layer) => ({
      quantization: { quant_method: "bitnet", linear_class: layer, quantization_mode: "offline" },
      tensors,
    })),
  ),
  "compressed-tensors": [
    ...storedCases("compressed-tensors").map(({ bits, columns, group, tensors }) => ({
      quantization: compressed(bits, "pack-quantized"),
      tensors: {
        ...tensors,
        weight_g_idx: integers(Array.from({ length: columns }, (_, input) => Math.floor(input / group))),
      },
    })),
    {
      quantization: compressed(8, "int-quantized", int8Inputs),
      tensors: {
        weight: bytes("I8", [1, 255, 3, 128, 127, 0, 9, 8], [2, 4]),
        weight_scale: floats([0.5, 2, 1, 4], [2, 2]),
        weight_zero_point: bytes("I8", [0, 1, 255, 7], [2, 2]),
      },
    },
  ],
};

const linear = "model.layers.0.mlp.up_proj";
const ofFormat: Readonly<Record<string, readonly string[]>> = {
  gptq: ["gptq", "gptq-layout", "input-order"],
  awq: ["awq"],
  bitnet: ["bitnet"],
  "compressed-tensors": ["compressed-tensors", "compressed-layout", "input-order"],
};

/** Tensors of linears that others have quantized, and what their configuration says of them. */
export const storedTensors = Object.entries(checkpoints).map(([format, small]) =>
  parserInFolder({
    name: `stored-tensors-${format}`,
    covers: ["dequantized", "format", "stored-linear", "words", ...ofFormat[format]].map(
      (file) => `schemes/stored/${file}`,
    ),
    async fill(folder) {
      for (const [at, { quantization, tensors }] of small.entries()) {
        const own = path.join(folder, String(at));
        await mkdir(own);
        const config = { model_type: "llama", quantization_config: quantization };
        await writeFile(path.join(own, "config.json"), JSON.stringify(config));
        const all = Object.entries(tensors).map(([name, tensor]) => [`${linear}.${name}`, tensor]);
        all.push(["model.norm.weight", floats([1, 2, 3])]);
        await writeSafetensors(path.join(own, "model.safetensors"), named(Object.fromEntries(all)));
      }
      return samplesIn(folder, () => true);
    },
    mutation: (file) => (file.endsWith(".json") ? mutateJson : mutateSafetensors),
    read: async (folder, { file }) => readAllOf(path.join(folder, path.dirname(file))),
  }),
);

/** What is asked of a stored linear: each of it may be refused, and the rest is asked all the same. */
async function readAllOf(folder: string): Promise<void> {
  const checkpoint = await openDequantized(folder);
  const refusals: LuthierError[] = [];
  try {
    for (const [name, stored] of checkpoint.stored) {
      const asked = [
        () => stored.outline(),
        () => stored.scheme(),
        () => checkpoint.read(name),
        () => checkpoint.read(name, { first: 0, last: 1 }),
      ];
      for (const ask of asked) {
        await ask().catch((error) => {
          if (!(error instanceof LuthierError)) throw error;
          refusals.push(error);
        });
      }
    }
  } finally {
    await checkpoint.close();
  }
  if (refusals.length > 0) throw refusals[0];
}
