import { access, readdir } from "node:fs/promises";
import path from "node:path";
import { LuthierError } from "../error.js";
import { companionFiles, configFile, weightFileAmong, weightMapOf } from "./checkpoint-files.js";
import { fileError, isMissing } from "./file-error.js";
import { isJsonObject, readJsonObject } from "./json-file.js";
import type { TensorSource } from "./tensor-source.js";
import { openTensors } from "./tensors.js";
import { unchanged } from "./unchanged-files.js";

/** A Hugging Face model directory: `config.json`, safetensors shards and, for a language model, a tokenizer. */
export interface Checkpoint extends TensorSource {
  /** Absolute path. */
  readonly directory: string;
  /** `config.json` as it stands. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The `quantization_config` of weights that no plain tensor holds; null for float ones, FP8 among them. */
  readonly quantization: Readonly<Record<string, unknown>> | null;
  /** Everything the checkpoint was made of (configuration, tokenizer, index, shards), as absolute paths. */
  readonly files: readonly string[];
}

/**
 * Opens a checkpoint; the weights stay on the disk until they are read.
 *
 * @throws LuthierError when something is missing, does not parse, leads out of the directory, is not what the index
 * says, or is a pickle. Reading a tensor throws too when its file has been changed since.
 */
export async function openCheckpoint(directory: string): Promise<Checkpoint> {
  const root = path.resolve(directory);
  const names = await namesIn(root);
  if (!names.includes(configFile)) {
    throw new LuthierError(
      `${root} has no ${configFile}`,
      "Give the folder of a Hugging Face checkpoint: the one that holds config.json and the weights.",
    );
  }
  const config = await readJsonObject(path.join(root, configFile));
  const { scaleBlock, quantization } = quantizationOf(config, path.join(root, configFile));
  const companions = companionFiles.filter((name) => names.includes(name));
  const { shards, index, source } = await openWeights(root, names);
  const files = [...companions, ...(index === null ? [] : [index]), ...shards];
  return {
    ...(await unchanged(
      source,
      shards.map((name) => path.join(root, name)),
    )),
    ...(scaleBlock && { scaleBlock }),
    directory: root,
    config,
    quantization,
    files: files.map((name) => path.join(root, name)),
  };
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (!isMissing(error)) throw fileError("read", directory, error);
    throw new LuthierError(
      `there is no folder ${directory}`,
      "Check the path; a model of the hub is written org/name.",
      { cause: error },
    );
  }
}

interface Weights {
  readonly shards: readonly string[];
  readonly index: string | null;
  readonly source: TensorSource;
}

async function openWeights(root: string, names: readonly string[]): Promise<Weights> {
  const { file, isIndex } = weightFileAmong(names, root);
  if (!isIndex) return { shards: [file], index: null, source: await openTensors([path.join(root, file)]) };
  const index = path.join(root, file);
  const shardOf = weightMapOf(await readJsonObject(index), index);
  const shards = [...new Set(shardOf.values())].sort();
  await checkPresent(root, shards, index);
  const source = await openTensors(shards.map((shard) => path.join(root, shard)));
  try {
    checkAgainstIndex(source, shardOf, root, index);
  } catch (error) {
    await source.close();
    throw error;
  }
  return { shards, index: file, source };
}

async function checkPresent(root: string, shards: readonly string[], index: string): Promise<void> {
  const present = await Promise.all(
    shards.map((shard) =>
      access(path.join(root, shard)).then(
        () => true,
        () => false,
      ),
    ),
  );
  const missing = shards.filter((_, i) => !present[i]);
  if (missing.length === 0) return;
  throw new LuthierError(
    `${root} lacks ${missing.length} of ${shards.length} shards: ${missing.slice(0, 3).join(", ")} (named by ${index})`,
    "Fetch the checkpoint again; an interrupted download goes on where it stopped.",
  );
}

/** The index and the shards must say the same, or the checkpoint is a mixture of two. */
function checkAgainstIndex(
  source: TensorSource,
  shardOf: ReadonlyMap<string, string>,
  root: string,
  index: string,
): void {
  const fix = "Fetch the checkpoint again: its index and its shards come from different versions.";
  for (const [name, shard] of shardOf) {
    const found = source.tensors.get(name)?.file;
    if (found === undefined)
      throw new LuthierError(`${shard} lacks tensor ${name}, which ${index} names`, fix);
    if (found !== path.join(root, shard)) {
      throw new LuthierError(`tensor ${name} is in ${found}, but ${index} places it in ${shard}`, fix);
    }
  }
  for (const [name, { file }] of source.tensors) {
    if (!shardOf.has(name))
      throw new LuthierError(`${file} holds tensor ${name}, which ${index} does not name`, fix);
  }
}

/** What the configuration says of weights that are not plain: the block that shares a scale in FP8, or all of it. */
function quantizationOf(
  config: Readonly<Record<string, unknown>>,
  file: string,
): {
  scaleBlock?: readonly [rows: number, columns: number];
  quantization: Readonly<Record<string, unknown>> | null;
} {
  const { quantization_config: quantization } = config;
  if (quantization === undefined || quantization === null) return { quantization: null };
  if (!isJsonObject(quantization)) {
    throw new LuthierError(
      `quantization_config in ${file} is ${JSON.stringify(quantization)}`,
      "Fetch config.json again: it is an object there.",
    );
  }
  if (quantization.quant_method !== "fp8") return { quantization };
  const { weight_block_size: block } = quantization;
  if (block === undefined || block === null) return { quantization: null };
  if (!isBlock(block)) {
    throw new LuthierError(
      `quantization_config in ${file} has the weight_block_size ${JSON.stringify(block)}`,
      "Write two positive whole numbers, such as [128, 128].",
    );
  }
  return { scaleBlock: block, quantization: null };
}

function isBlock(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every((n) => Number.isSafeInteger(n) && n > 0);
}
