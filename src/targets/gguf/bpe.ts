import type { GgufValue } from "../../checkpoint/gguf-header.js";
import { isJsonObject } from "../../checkpoint/json-file.js";
import type { TokenizerFiles } from "../../checkpoint/tokenizer.js";
import { LuthierError } from "../../error.js";

/** What sort of tokenizer llama.cpp is to run, with what only that sort needs. */
export interface VocabularyKind {
  /** By entries of the metadata: `tokenizer.ggml.model` and others. */
  readonly metadata: readonly (readonly [key: string, value: GgufValue])[];
  /** The type of a token that is not an added one. */
  typeOf(token: string): number;
}

/** A tokenizer's BPE model, whichever sort it is. */
export interface BpeModel {
  readonly ids: ReadonlyMap<string, number>;
  /** In order of rank. */
  readonly merges: readonly (readonly [left: string, right: string])[];
  /** Texts that are in the vocabulary whole are taken before any merge. */
  readonly ignoreMerges: boolean;
  readonly byteFallback: boolean;
}

/** llama.cpp's token types (llama.h, `llama_token_type`). */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** @throws LuthierError when the tokenizer is of another kind. */
export function bpeModelOf(definition: TokenizerFiles["definition"]): BpeModel {
  const { model } = definition;
  if (
    !isJsonObject(model) ||
    model.type !== "BPE" ||
    !isJsonObject(model.vocab) ||
    !Array.isArray(model.merges)
  )
    throw unlike("its model is no BPE");
  if (model.continuing_subword_prefix || model.end_of_word_suffix)
    throw unlike("its BPE marks the ends of words");
  const merges = model.merges.map((merge): readonly [string, string] => {
    const pair = Array.isArray(merge) ? merge : String(merge).split(" ");
    if (pair.length !== 2 || !pair.every((part) => typeof part === "string"))
      throw unlike(`its merge ${JSON.stringify(merge)} is no pair`);
    return [pair[0], pair[1]];
  });
  return {
    ids: new Map(Object.entries(model.vocab as Record<string, number>)),
    merges,
    ignoreMerges: model.ignore_merges === true,
    byteFallback: model.byte_fallback === true,
  };
}

/** What a tokenizer is that llama.cpp does not run. */
export function unlike(what: string): LuthierError {
  return new LuthierError(`tokenizer.json: ${what}`, "choose another target for this model");
}
