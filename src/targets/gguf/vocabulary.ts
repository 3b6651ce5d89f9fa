import type { GgufMetadata, GgufValue } from "../../checkpoint/gguf-header.js";
import { isJsonObject } from "../../checkpoint/json-file.js";
import type { TokenizerFiles } from "../../checkpoint/tokenizer.js";
import { type BpeModel, bpeModelOf, tokenTypes, unlike, type VocabularyKind } from "./bpe.js";
import { byteLevelKind } from "./byte-level.js";
import { sentencePieceKind } from "./sentence-piece.js";

/**
 * The metadata from which llama.cpp makes the same token ids as tokenizer.json does.
 * @param size rows of the embedding: ids without a token are filled up as unused ones.
 * @throws LuthierError when llama.cpp has no such tokenizer.
 */
export function vocabularyOf(files: TokenizerFiles, size: number): GgufMetadata {
  const { definition, config, chatTemplate } = files;
  const model = bpeModelOf(definition);
  const kind = sentencePieceKind(definition, model, size) ?? byteLevelKind(definition, model);
  if (kind === null) {
    throw unlike(
      "it is neither a byte-level BPE nor a SentencePiece BPE with byte fallback, the kinds llama.cpp has",
    );
  }
  const { tokens, types } = tokensOf(definition, model, kind, size);
  const special = (name: string) => specialToken(config[name], tokens);
  const bos = special("bos_token");
  const eos = special("eos_token");
  const ids = Object.entries({
    bos_token_id: bos,
    eos_token_id: eos,
    unknown_token_id: special("unk_token"),
    padding_token_id: special("pad_token"),
  });
  return new Map<string, GgufValue>([
    ...kind.metadata,
    ["tokenizer.ggml.tokens", { type: "strings", values: tokens }],
    ["tokenizer.ggml.token_type", { type: "int32s", values: Int32Array.from(types) }],
    ...ids.flatMap(([key, id]): [string, GgufValue][] =>
      id === null ? [] : [[`tokenizer.ggml.${key}`, { type: "uint32", value: id }]],
    ),
    [
      "tokenizer.ggml.add_bos_token",
      { type: "bool", value: bos !== null && adds(files, "add_bos_token", tokens[bos], 0) },
    ],
    [
      "tokenizer.ggml.add_eos_token",
      { type: "bool", value: eos !== null && adds(files, "add_eos_token", tokens[eos], -1) },
    ],
    ...(chatTemplate === null
      ? []
      : [["tokenizer.chat_template", { type: "string", value: chatTemplate }] as const]),
  ]);
}

function tokensOf(
  definition: TokenizerFiles["definition"],
  model: BpeModel,
  kind: VocabularyKind,
  size: number,
): { readonly tokens: readonly string[]; readonly types: readonly number[] } {
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const types = new Array<number>(size).fill(tokenTypes.unused);
  const place = (token: string, id: unknown, type: number) => {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= size)
      throw unlike(`its token ${JSON.stringify(token)} has the id ${id}, the embedding ${size} rows`);
    tokens[id as number] = token;
    types[id as number] = type;
  };
  for (const [token, id] of model.ids) place(token, id, kind.typeOf(token));
  for (const added of Array.isArray(definition.added_tokens) ? definition.added_tokens : []) {
    if (!isJsonObject(added) || typeof added.content !== "string") throw unlike("an added token has no text");
    const unknown = types[Number(added.id)] === tokenTypes.unknown;
    const type = added.special === true ? tokenTypes.control : tokenTypes.userDefined;
    place(added.content, added.id, unknown ? tokenTypes.unknown : type);
  }
  const seen = new Set<string>();
  for (const token of tokens) {
    if (token === "" || seen.has(token))
      throw unlike(`it has the token ${JSON.stringify(token)} twice or empty`);
    seen.add(token);
  }
  return { tokens, types };
}

/** The id of a token that tokenizer_config.json names, as a text or as an object with one. */
function specialToken(named: unknown, tokens: readonly string[]): number | null {
  const text = isJsonObject(named) ? named.content : named;
  const id = typeof text === "string" ? tokens.indexOf(text) : -1;
  return id < 0 ? null : id;
}

/** Whether a prompt gets the token: tokenizer_config.json says so, or the template of tokenizer.json has it there. */
function adds({ definition, config }: TokenizerFiles, flag: string, token: string, at: 0 | -1): boolean {
  if (typeof config[flag] === "boolean") return config[flag];
  const { post_processor: post } = definition;
  const steps = isJsonObject(post) && Array.isArray(post.processors) ? post.processors : [post];
  return steps.some((step) => {
    const single = isJsonObject(step) && Array.isArray(step.single) ? step.single : [];
    return single.at(at)?.SpecialToken?.id === token;
  });
}
