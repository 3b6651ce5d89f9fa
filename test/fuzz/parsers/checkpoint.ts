import { readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { describeModel } from "../../../src/model/model.js";
import { openModelCheckpoint } from "../../../src/model/open-checkpoint.js";
import { type FolderParser, parserInFolder } from "../in-folder.js";
import { mutateJson } from "../mutate-json.js";
import { mutateSafetensors } from "../mutate-safetensors.js";
import { samplesIn, writeTinyCheckpoint, writeTinyRun } from "../tiny-run.js";

const isConfiguration = (file: string) => /^(config|model\.safetensors\.index)\.json$/.test(file);

const common: Pick<FolderParser, "mutation" | "read"> = {
  mutation: (file) => (file.endsWith(".safetensors") ? mutateSafetensors : mutateJson),
  async read(folder) {
    const checkpoint = await openModelCheckpoint(folder);
    try {
      describeModel(checkpoint.config, (name) => checkpoint.tensors.get(name)?.shape);
      const [first] = [...checkpoint.tensors.keys()].filter((name) => name.endsWith("q_proj.weight"));
      if (first !== undefined) await checkpoint.read(first);
    } finally {
      await checkpoint.close();
    }
  },
};

/** `config.json` and the index of shards, of a checkpoint in floats. */
export const checkpoint = parserInFolder({
  name: "checkpoint",
  covers: [
    "checkpoint/checkpoint",
    "checkpoint/checkpoint-files",
    "model/architectures/llama-config",
    "model/model",
  ],
  async fill(folder) {
    await writeTinyCheckpoint(folder);
    await rm(path.join(folder, "tokenizer.json"));
    const shard = "model-00001-of-00001.safetensors";
    const weights = await readFile(path.join(folder, "model.safetensors"));
    const header = JSON.parse(weights.subarray(8, 8 + Number(weights.readBigUInt64LE())).toString("utf8"));
    await writeFile(path.join(folder, shard), weights);
    await rm(path.join(folder, "model.safetensors"));
    const index = {
      metadata: {},
      weight_map: Object.fromEntries(Object.keys(header).map((name) => [name, shard])),
    };
    await writeFile(path.join(folder, "model.safetensors.index.json"), JSON.stringify(index));
    return samplesIn(folder, isConfiguration);
  },
  ...common,
});

/** What a checkpoint says of weights that others have quantized. */
export const storedCheckpoints = [
  { target: "gptq", rule: { quantize: { method: "rtn", bits: 4, group: 128, symmetric: true } } },
  { target: "compressed-tensors", rule: { quantize: { method: "rtn", bits: 4, group: 128 } } },
].map(({ target, rule }) =>
  parserInFolder({
    name: `stored-${target}`,
    covers: [
      "schemes/stored/format",
      "schemes/stored/stored-linear",
      "schemes/stored/words",
      ...(target === "gptq"
        ? ["schemes/stored/gptq", "schemes/stored/gptq-layout"]
        : ["schemes/stored/compressed-tensors", "schemes/stored/compressed-layout"]),
    ],
    async fill(folder) {
      await writeTinyRun(path.join(folder, "made"), target, rule);
      for (const { file, bytes } of await samplesIn(path.join(folder, "made/run/packs", target), () => true))
        await writeFile(path.join(folder, file), bytes);
      await rm(path.join(folder, "made"), { recursive: true });
      return samplesIn(folder, (file) => isConfiguration(file));
    },
    ...common,
  }),
);
