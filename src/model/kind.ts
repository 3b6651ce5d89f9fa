import { LuthierError } from "../error.js";
import type { ModelKind } from "./architecture.js";

/** How the names of model classes end. */
export const suffixes: Readonly<Record<ModelKind, string>> = {
  causal: "…ForCausalLM",
  classification: "…ForSequenceClassification",
  answering: "…ForQuestionAnswering",
};

/** What heads are for. */
export const heads: Readonly<Record<ModelKind, string>> = {
  causal: "causal language modelling",
  classification: "sequence classification",
  answering: "question answering",
};

/** By the first name under `architectures`; causal without one. @throws LuthierError for a head that is none of ours. */
export function kindOf(config: Readonly<Record<string, unknown>>): ModelKind {
  const { architectures } = config;
  const [name] = Array.isArray(architectures) && typeof architectures[0] === "string" ? architectures : [];
  if (name === undefined || /(ForCausalLM|LMHeadModel)$/.test(name)) return "causal";
  if (name.endsWith("ForSequenceClassification")) return "classification";
  if (name.endsWith("ForQuestionAnswering")) return "answering";
  throw new LuthierError(
    `config.json: architectures says '${name}'; known heads are ${Object.values(suffixes).join(", ")}`,
    "use a checkpoint with one of those heads",
  );
}
