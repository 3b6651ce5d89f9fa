import path from "node:path";
import { openGguf, writeGguf } from "../../checkpoint/gguf.js";
import type { GgufMetadata, GgufValue } from "../../checkpoint/gguf-header.js";
import { readTokenizerFiles, type TokenizerFiles } from "../../checkpoint/tokenizer.js";
import { LuthierError } from "../../error.js";
import { llama } from "../../model/architectures/llama.js";
import { heads, kindOf } from "../../model/kind.js";
import type { GridOutline } from "../../schemes/scheme.js";
import type { Container, LinearToWrite, WrittenLinear } from "../container.js";
import { damagedPack } from "../target.js";
import { type BlockTypeName, blockTypeNames, blockTypes } from "./blocks.js";
import { hyperparametersOf } from "./hyperparameters.js";
import { carrierOf } from "./layout.js";
import { type CarriedLinear, modelTensors } from "./model-tensors.js";
import { ggufNameOf, type PairedHeads, pairedHeadsOf, partRows } from "./tensor-names.js";
import { vocabularyOf } from "./vocabulary.js";

const modelFile = "model.gguf";

/** A model as one GGUF file: what llama.cpp loads, and what the engine reads its linears from. */
export const ggufContainer: Container<{ readonly type: BlockTypeName | "auto" }, GridOutline> = {
  refuse({ config, tokenizer }) {
    if (!llama.modelTypes.includes(String(config.model_type))) {
      return {
        reason: `it is of the type ${config.model_type}, this target takes ${llama.modelTypes.join(", ")}`,
        fix: "choose another target for this model",
      };
    }
    if (kindOf(config) !== "causal") {
      return {
        reason: `a model for ${heads[kindOf(config)]} has no head that this target takes`,
        fix: "use a causal language model, or another target",
      };
    }
    if (tokenizer === null) {
      return {
        reason: "it has no tokenizer.json, which a GGUF file carries",
        fix: "fetch tokenizer.json into the checkpoint's folder",
      };
    }
    try {
      metadataOf(config, tokenizer, []);
      return null;
    } catch (error) {
      if (error instanceof LuthierError) return { reason: error.message, fix: error.fix };
      throw error;
    }
  },

  async write(folder, model, { type }) {
    const tokenizer = await readTokenizerFiles(model.directory);
    if (tokenizer === null) throw new RangeError(`${model.directory} has no tokenizer.json`);
    const carried = model.linears.map((linear) => carriedLinear(linear, type));
    const written: WrittenLinear[] = [];
    const tensors = modelTensors(model, hyperparametersOf(model.config), carried, ({ name }, packed) => {
      written.push({
        name,
        file: modelFile,
        bytes: packed.tensors.blocks.bytes.length,
        layout: packed.layout,
      });
    });
    const types = carried.map(({ carrier }) => carrier.type.name);
    await writeGguf(path.join(folder, modelFile), metadataOf(model.config, tokenizer, types), tensors);
    return { files: [modelFile], linears: written };
  },

  async open(folder) {
    const file = await openGguf(path.join(folder, modelFile));
    const heads = pairedHeadsIn(file.metadata);
    return {
      async read({ name, layout, weight: { rows, columns } }) {
        const tensor = ggufNameOf(`${name}.weight`);
        const found = file.tensors.get(tensor);
        const type = blockTypes.find((each) => each.name === layout.type);
        if (found === undefined || type === undefined || found.type !== type.ggml)
          throw damagedPack(
            `its tensor ${tensor} is ${found?.type ?? "missing"}, its layout says ${layout.type}`,
          );
        if (`${found.shape}` !== `${[rows, columns]}`)
          throw damagedPack(`its tensor ${tensor} is [${found.shape}], its weight [${rows},${columns}]`);
        const paired = pairedHeadsOf(name, heads);
        if (paired && rows % (2 * paired) !== 0) throw damagedPack(`${rows} rows make no ${paired} heads`);
        const bytes = partRows(await file.read(tensor), rows, paired);
        return { blocks: { dtype: "U8", shape: [rows, bytes.length / rows], bytes } };
      },
      close: file.close,
    };
  },
};

function metadataOf(
  config: Readonly<Record<string, unknown>>,
  tokenizer: TokenizerFiles,
  types: readonly BlockTypeName[],
): GgufMetadata {
  const { architecture, vocabularySize, metadata } = hyperparametersOf(config);
  return new Map<string, GgufValue>([
    ["general.architecture", { type: "string", value: architecture }],
    ["general.type", { type: "string", value: "model" }],
    ["general.name", { type: "string", value: nameOf(config) }],
    ["general.quantization_version", { type: "uint32", value: 2 }],
    ["general.file_type", { type: "uint32", value: fileType(types) }],
    ...metadata,
    ...vocabularyOf(tokenizer, vocabularySize),
  ]);
}

/** The last part of the name that the checkpoint was saved under, else its class. */
function nameOf({
  _name_or_path: saved,
  architectures,
  model_type: family,
}: Record<string, unknown>): string {
  const last = typeof saved === "string" ? saved.split("/").at(-1) : "";
  return last || String(Array.isArray(architectures) ? architectures[0] : family);
}

/** llama.cpp's number (`llama_ftype`) of the type that most linears have; it only shows it. */
function fileType(types: readonly BlockTypeName[]): number {
  const numbers = { tq1_0: 36, tq2_0: 37, q2_0: 41, q4_0: 2, q8_0: 7 } as const;
  const times = (name: BlockTypeName) => types.filter((type) => type === name).length;
  const [commonest] = [...blockTypeNames].sort((a, b) => times(b) - times(a));
  return numbers[commonest];
}

/** The type of a linear's tensor stands in the header, before its bytes are made. */
function carriedLinear(linear: LinearToWrite<GridOutline>, type: BlockTypeName | "auto"): CarriedLinear {
  const carrier = carrierOf(linear.weight, type);
  if ("reason" in carrier)
    throw new LuthierError(`${linear.name} does not fit gguf: ${carrier.reason}`, carrier.fix);
  return { linear, carrier };
}

function pairedHeadsIn(metadata: GgufMetadata): PairedHeads | null {
  const read = (key: string) => {
    const found = metadata.get(key);
    return found && "value" in found ? found.value : undefined;
  };
  if (read("general.architecture") !== "llama") return null;
  const [queries, keys] = [read("llama.attention.head_count"), read("llama.attention.head_count_kv")].map(
    Number,
  );
  if (!(queries > 0) || !(keys > 0)) throw damagedPack(`${modelFile} does not say how many heads there are`);
  return { queries, keys };
}
