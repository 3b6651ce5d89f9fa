import { isJsonObject } from "../../checkpoint/json-file.js";
import type { TokenizerFiles } from "../../checkpoint/tokenizer.js";
import { type BpeModel, tokenTypes, unlike, type VocabularyKind } from "./bpe.js";

/**
 * GPT-2's tokenizer and its successors: words cut by a regular expression, their bytes as letters, merges. llama.cpp
 * has the expressions built in and takes a name for each (llama-vocab.cpp).
 * @returns null when the tokenizer is of another kind. @throws LuthierError when llama.cpp has not its expression.
 */
export function byteLevelKind(
  { pre_tokenizer: preTokenizer, normalizer }: TokenizerFiles["definition"],
  model: BpeModel,
): VocabularyKind | null {
  const steps = stepsOf(preTokenizer);
  const last = steps.at(-1);
  if (last?.type !== "ByteLevel") return null;
  if (last.add_prefix_space === true)
    throw unlike("it puts a blank before a text, llama.cpp's byte-level BPE does not");
  // llama.cpp normalizes nothing; NFC changes only texts that are not composed already, and is let pass as its own
  // converter does.
  if (isJsonObject(normalizer) && normalizer.type !== "NFC")
    throw unlike(`its normalizer is ${normalizer.type}, llama.cpp has none`);
  const words = [...steps.slice(0, -1), ...(last.use_regex === false ? [] : [gpt2Split])];
  const name = nameOf(words, model.ignoreMerges);
  if (name === null) throw unlike("llama.cpp has not its way of cutting words");
  return {
    metadata: [
      ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
      ["tokenizer.ggml.pre", { type: "string", value: name }],
      ["tokenizer.ggml.merges", { type: "strings", values: model.merges.map((pair) => pair.join(" ")) }],
    ],
    typeOf: () => tokenTypes.normal,
  };
}

type Step = Readonly<Record<string, unknown>>;

const gpt2Split: Step = { type: "gpt-2" };

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const wordsAndMarks = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+";
const rest = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const upper = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const lower = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const mark = "[^\\r\\n\\p{L}\\p{N}]?";
const restWithSlash = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** llama.cpp's names of what tokenizer.json writes as one regular expression. */
const expressions: Readonly<
  Record<string, { readonly ignoring: string | null; readonly merging: string | null }>
> = {
  // Qwen2 to Qwen3.
  [`${contractions}|${wordsAndMarks}|\\p{N}|${rest}`]: { ignoring: null, merging: "qwen2" },
  // Llama 3; Smaug has its expression, but merges always.
  [`${contractions}|${wordsAndMarks}|\\p{N}{1,3}|${rest}`]: { ignoring: "llama-bpe", merging: "smaug-bpe" },
  // Mistral's Tekken.
  [`${mark}${upper}*${lower}+|${mark}${upper}+${lower}*|\\p{N}|${restWithSlash}`]: {
    ignoring: "tekken",
    merging: null,
  },
  // GPT-4o.
  [`${mark}${upper}*${lower}+${contractions}?|${mark}${upper}+${lower}*${contractions}?|\\p{N}{1,3}|${restWithSlash}`]:
    { ignoring: null, merging: "gpt-4o" },
};

function nameOf(words: readonly Step[], ignoreMerges: boolean): string | null {
  if (words.length === 1 && words[0] === gpt2Split) return ignoreMerges ? null : "gpt-2";
  const [first, second] = words;
  const digitsApart = words.length === 2 && first.type === "Digits" && first.individual_digits === true;
  if (digitsApart && second === gpt2Split) return ignoreMerges ? null : "smollm";
  if (words.length !== 1 || first.type !== "Split" || first.invert === true || !isJsonObject(first.pattern))
    return null;
  // Removed would lose what it matches; the others cut at the same places when all of a text is matched.
  if (first.behavior !== "Isolated") return null;
  const expression = String(first.pattern.Regex);
  const known = Object.hasOwn(expressions, expression) ? expressions[expression] : null;
  return known && (ignoreMerges ? known.ignoring : known.merging);
}

function stepsOf(preTokenizer: unknown): readonly Step[] {
  if (!isJsonObject(preTokenizer)) return [];
  if (preTokenizer.type !== "Sequence") return [preTokenizer];
  return Array.isArray(preTokenizer.pretokenizers) ? preTokenizer.pretokenizers.filter(isJsonObject) : [];
}
