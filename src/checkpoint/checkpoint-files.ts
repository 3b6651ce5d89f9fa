import path from "node:path";
import { LuthierError } from "../error.js";
import { isJsonObject } from "./json-file.js";

/*
 * Which files a checkpoint is made of, wherever they lie: in a folder or on the hub. Other formats of the same weights
 * (pickles, GGUF, ONNX, a vendor's consolidated shards) are left alone.
 */

export const configFile = "config.json";

/** Files beside the weights that belong to a checkpoint when they are there. */
export const companionFiles: readonly string[] = [
  configFile,
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "tokenizer.model",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "vocab.txt",
  "merges.txt",
  "chat_template.jinja",
];

/** A checkpoint of one shard has this file and no index. */
const singleShard = "model.safetensors";
/** Says which shard holds which tensor. */
const shardIndex = "model.safetensors.index.json";

/**
 * The file that leads to the weights: the only shard, or the index of several.
 *
 * @param names the files in the checkpoint's folder; @param where the folder or hub id, for the error.
 * @throws LuthierError when there are no weights in safetensors; when there are pickles, with the way to convert them.
 */
export function weightFileAmong(names: readonly string[], where: string): { file: string; isIndex: boolean } {
  if (names.includes(singleShard)) return { file: singleShard, isIndex: false };
  if (names.includes(shardIndex)) return { file: shardIndex, isIndex: true };
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt|pkl)$/.test(name));
  if (pickle !== undefined) {
    throw new LuthierError(
      `${where} has its weights only as a pickle (${pickle}), which runs code when it is opened`,
      "Convert it where you trust it: in Python, AutoModelForCausalLM.from_pretrained(folder)" +
        ".save_pretrained(other, safe_serialization=True).",
    );
  }
  throw new LuthierError(
    `${where} has neither ${singleShard} nor ${shardIndex}`,
    "Give the folder or hub id of a Hugging Face checkpoint in safetensors.",
  );
}

/**
 * From an index: for each tensor the shard that holds it, a path within the checkpoint's folder.
 *
 * @throws LuthierError when the index has no such map, or a path leads out of the folder.
 */
export function weightMapOf(
  index: Readonly<Record<string, unknown>>,
  file: string,
): ReadonlyMap<string, string> {
  const fix = "Fetch the index again, or save the checkpoint again.";
  const { weight_map: map } = index;
  if (!isJsonObject(map)) throw new LuthierError(`${file} has no object weight_map`, fix);
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !isInnerPath(shard) || !shard.endsWith(".safetensors")) {
      throw new LuthierError(
        `${file} places tensor ${tensor} in ${JSON.stringify(shard)}, which is no safetensors file in its folder`,
        fix,
      );
    }
  }
  return new Map(Object.entries(map as Record<string, string>));
}

/** True for a relative path that stays in its folder and means the same on every system. */
export function isInnerPath(candidate: string): boolean {
  const parts = candidate.split("/");
  const harmless = parts.every((part) => part !== "" && part !== "." && part !== "..");
  return harmless && !/[\\\0:]/.test(candidate) && !path.isAbsolute(candidate);
}
