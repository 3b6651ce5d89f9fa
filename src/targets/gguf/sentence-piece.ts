import { isJsonObject } from "../../checkpoint/json-file.js";
import type { TokenizerFiles } from "../../checkpoint/tokenizer.js";
import { type BpeModel, tokenTypes, unlike, type VocabularyKind } from "./bpe.js";

/**
 * SentencePiece's BPE as Llama 2 and Mistral have it: blanks as "▁", no words, bytes for what has no token. llama.cpp
 * merges the neighbours whose joint token has the highest score; tokenizer.json has ranks of pairs instead. The rank of
 * a token's merges, negated, is its score.
 * @returns null when the tokenizer is of another kind. @throws LuthierError when scores would merge otherwise than ranks.
 */
export function sentencePieceKind(
  definition: TokenizerFiles["definition"],
  model: BpeModel,
  size: number,
): VocabularyKind | null {
  const prefix = blankPrefix(definition);
  if (prefix === null) return null;
  if (!model.byteFallback || bytesTokens.some((token) => !model.ids.has(token)))
    throw unlike("its BPE does not fall back to 256 byte tokens, llama.cpp's does");
  if (model.ignoreMerges)
    throw unlike("it takes whole words before merges, llama.cpp's SentencePiece does not");
  const ranks = ranksOf(model);
  const scores = new Float32Array(size);
  for (const [token, id] of model.ids) {
    const characters = [...token].length === 1;
    // Single characters rank behind all merges, as SentencePiece numbers them; they are never the product of one.
    if (id < size) scores[id] = -(ranks.get(token) ?? (characters ? model.merges.length : 0));
  }
  const unknown = isJsonObject(definition.model) ? definition.model.unk_token : null;
  return {
    metadata: [
      ["tokenizer.ggml.model", { type: "string", value: "llama" }],
      ["tokenizer.ggml.pre", { type: "string", value: "default" }],
      ["tokenizer.ggml.scores", { type: "float32s", values: scores }],
      ["tokenizer.ggml.add_space_prefix", { type: "bool", value: prefix }],
    ],
    typeOf(token) {
      if (token === unknown) return tokenTypes.unknown;
      return bytesTokens.includes(token) ? tokenTypes.byte : tokenTypes.normal;
    },
  };
}

const bytesTokens = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
);

/**
 * The rank of the first merge that makes each token. Scores order merges as ranks do when every pair that makes a token
 * of the vocabulary is a merge, and the merges that make one token follow one another.
 */
function ranksOf({ ids, merges }: BpeModel): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  const pairs = new Set<string>();
  let previous = "";
  for (const [rank, [left, right]] of merges.entries()) {
    const token = left + right;
    pairs.add(pairKey(left, right));
    if (!ranks.has(token)) ranks.set(token, rank);
    else if (previous !== token) throw unlike(`merges of ${JSON.stringify(token)} do not follow one another`);
    previous = token;
  }
  for (const token of ids.keys()) {
    const characters = [...token];
    for (let cut = 1; cut < characters.length; cut++) {
      const [left, right] = [characters.slice(0, cut).join(""), characters.slice(cut).join("")];
      if (ids.has(left) && ids.has(right) && !pairs.has(pairKey(left, right))) {
        throw unlike(
          `${JSON.stringify(left)} and ${JSON.stringify(right)} make a token but no merge, llama.cpp would merge them`,
        );
      }
    }
  }
  return ranks;
}

function pairKey(left: string, right: string): string {
  return `${left.length} ${left}${right}`;
}

/** Whether a text begins with "▁" however it begins; null when blanks are not turned into "▁". */
function blankPrefix({
  normalizer,
  pre_tokenizer: preTokenizer,
}: TokenizerFiles["definition"]): boolean | null {
  const none = (step: unknown) => step === null || step === undefined;
  if (none(preTokenizer) && isJsonObject(normalizer)) {
    const steps = normalizer.type === "Sequence" ? normalizer.normalizers : [normalizer];
    if (!Array.isArray(steps)) return null;
    if (steps.length === 1 && isReplace(steps[0])) return false;
    const prepends = steps.length === 2 && steps[0]?.type === "Prepend" && steps[0]?.prepend === "▁";
    return prepends && isReplace(steps[1]) ? true : null;
  }
  if (!none(normalizer) || !isJsonObject(preTokenizer) || preTokenizer.type !== "Metaspace") return null;
  if (preTokenizer.replacement !== "▁" || preTokenizer.split !== false) return null;
  const { prepend_scheme: scheme } = preTokenizer;
  return scheme === undefined ? preTokenizer.add_prefix_space !== false : scheme !== "never";
}

function isReplace(step: unknown): boolean {
  if (!isJsonObject(step) || step.type !== "Replace" || step.content !== "▁") return false;
  return isJsonObject(step.pattern) && step.pattern.String === " ";
}
