import { LuthierError } from "../../error.js";
import type { Architecture } from "../architecture.js";
import { heads, kindOf, suffixes } from "../kind.js";
import { bert } from "./bert.js";
import { bitnet } from "./bitnet.js";
import { llama } from "./llama.js";

/** Every model family; a new one adds its file and a line here. */
export const architectures: readonly Architecture[] = [llama, bitnet, bert];

/**
 * The family that a configuration names.
 * @throws LuthierError when it is none of ours, or it is not known with the head that the configuration names.
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
  const kind = kindOf(config);
  if (!found.kinds.includes(kind)) {
    throw new LuthierError(
      `config.json: a ${modelType} for ${heads[kind]} cannot be computed`,
      `use one with ${found.kinds.map((each) => `a head for ${heads[each]} (${suffixes[each]})`).join(" or ")}`,
    );
  }
  return found;
}
