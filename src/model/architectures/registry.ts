import { LuthierError } from "../../error.js";
import type { Architecture, WritableArchitecture } from "../architecture.js";
import { heads, kindOf, suffixes } from "../kind.js";
import { bert } from "./bert.js";
import { bitnet } from "./bitnet.js";
import { bloom } from "./bloom.js";
import { distilbert } from "./distilbert.js";
import { gemma } from "./gemma.js";
import { gptNeox } from "./gpt-neox.js";
import { gpt2 } from "./gpt2.js";
import { llama } from "./llama.js";
import { mixtral } from "./mixtral.js";
import { opt } from "./opt.js";
import { phi3 } from "./phi3.js";
import { qwen3Moe } from "./qwen3-moe.js";
import { roberta } from "./roberta.js";

/** Every model family; a new one adds its file and a line here. */
export const architectures: readonly Architecture[] = [
  llama,
  bitnet,
  bert,
  roberta,
  distilbert,
  gpt2,
  gptNeox,
  opt,
  bloom,
  gemma,
  phi3,
  mixtral,
  qwen3Moe,
];

/** Those whose graph can be written. */
const writable: readonly WritableArchitecture[] = [llama, bitnet];

/**
 * The family that a configuration names.
 * @throws LuthierError when it is none of ours, or it is not known with the head that the configuration names.
 */
export function findArchitecture(config: Readonly<Record<string, unknown>>): Architecture {
  const modelType = typeof config.model_type === "string" ? config.model_type : "none";
  const found = architectures.find((architecture) => architecture.modelTypes.includes(modelType));
  if (found === undefined) {
    const known = architectures.flatMap((architecture) => architecture.modelTypes).join(", ");
    throw new LuthierError(
      `config.json: model_type is '${modelType}'; known are ${known}`,
      "use a checkpoint of one of those families, or add yours as src/model/architectures/<family>.ts (CONTRIBUTING.md)",
    );
  }
  const kind = kindOf(config);
  if (!found.kinds.includes(kind)) {
    throw new LuthierError(
      `config.json: a ${modelType} for ${heads[kind]} cannot be computed`,
      `use one with ${found.kinds.map((each) => `a head for ${heads[each]} (${suffixes[each]})`).join(" or ")}`,
    );
  }
  return found;
}

/**
 * The family that a configuration names, for its graph.
 * @throws LuthierError as `findArchitecture`, for a family whose graph is not written and for a model that predicts no tokens.
 */
export function findWritable(config: Readonly<Record<string, unknown>>): WritableArchitecture {
  const { name } = findArchitecture(config);
  const found = writable.find((architecture) => architecture.name === name);
  if (found !== undefined && kindOf(config) === "causal") return found;
  throw new LuthierError(
    `the graph of a ${name} ${found ? "that predicts no tokens " : ""}is not written`,
    "use a causal Llama, Mistral, Qwen2 or Qwen3, or another target",
  );
}
