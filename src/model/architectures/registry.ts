import { LuthierError } from "../../error.js";
import type { Architecture } from "../architecture.js";
import { bitnet } from "./bitnet.js";
import { llama } from "./llama.js";

/** Every model family; a new one adds its file and a line here. */
export const architectures: readonly Architecture[] = [llama, bitnet];

/**
 * The family that a configuration names.
 * @throws LuthierError when it is none of ours, or the model has another head than a causal language model's.
 */
export function findArchitecture(config: Readonly<Record<string, unknown>>): Architecture {
  const modelType = String(config.model_type ?? "none");
  const found = architectures.find((architecture) => architecture.modelTypes.includes(modelType));
  if (found === undefined) {
    const known = architectures.flatMap((architecture) => architecture.modelTypes).join(", ");
    throw new LuthierError(
      `config.json: model_type is '${modelType}'; known are ${known}`,
      "use a checkpoint of one of those families, or add yours as src/model/architectures/<family>.ts (CONTRIBUTING.md)",
    );
  }
  const [kind] = Array.isArray(config.architectures) ? config.architectures.map(String) : [];
  if (kind !== undefined && !kind.endsWith("ForCausalLM")) {
    throw new LuthierError(
      `config.json: architectures says '${kind}'; only causal language models (…ForCausalLM) can be computed so far`,
      "use the causal language model that this checkpoint was made from",
    );
  }
  return found;
}
