import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "./folder.js";

const vocab = { a: 0, b: 1, "<s>": 2, "</s>": 3, "[CLS]": 4, "[SEP]": 5 };
const [bos, eos, cls, sep] = [2, 3, 4, 5];

interface Files {
  readonly postProcessor: object | null;
  readonly tokenizerConfig?: object;
  readonly config?: object;
}

async function specialOf({ postProcessor, tokenizerConfig = {}, config }: Files) {
  const definition = {
    model: { type: "BPE", vocab, merges: [] },
    decoder: { type: "Fuse" },
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: postProcessor,
  };
  const folder = await temporaryFolder();
  await writeFile(path.join(folder, "tokenizer.json"), JSON.stringify(definition));
  await writeFile(path.join(folder, "tokenizer_config.json"), JSON.stringify(tokenizerConfig));
  if (config) await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  return (await openTokenizer(folder)).special;
}

/** `[CLS] $A [SEP] $B:1 [SEP]:1` as tokenizer.json has it. */
function template(text: string) {
  return text.split(" ").map((piece) => {
    const [name, type = "0"] = piece.split(":");
    return name.startsWith("$")
      ? { Sequence: { id: name.slice(1), type_id: Number(type) } }
      : { SpecialToken: { id: name, type_id: Number(type) } };
  });
}

function templates(single: string, pair: string) {
  const names = ["<s>", "</s>", "[CLS]", "[SEP]"] as const;
  const special_tokens = Object.fromEntries(
    names.map((name) => [name, { id: name, ids: [vocab[name]], tokens: [name] }]),
  );
  return { type: "TemplateProcessing", single: template(single), pair: template(pair), special_tokens };
}

const none = { before: [], after: [] };

test("BERT's template: [CLS] text [SEP], a second text and what follows it marked", async () => {
  const bert = templates("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1");
  const { around, aroundPair } = await specialOf({ postProcessor: bert });
  expect(around).toEqual({ before: [cls], after: [sep] });
  expect(aroundPair).toEqual({ before: [cls], between: [sep], after: [sep], marksSecond: true });
});

test("BERT's own post-processor puts the same", async () => {
  const postProcessor = { type: "BertProcessing", sep: ["[SEP]", sep], cls: ["[CLS]", cls] };
  const { around, aroundPair } = await specialOf({ postProcessor });
  expect(around).toEqual({ before: [cls], after: [sep] });
  expect(aroundPair).toEqual({ before: [cls], between: [sep], after: [sep], marksSecond: true });
});

test.each([
  ["its own post-processor", { type: "RobertaProcessing", sep: ["</s>", eos], cls: ["<s>", bos] }],
  ["a template", templates("<s> $A </s>", "<s> $A </s> </s> $B </s>")],
])("RoBERTa by %s: two tokens between the texts, none of them marked", async (_, postProcessor) => {
  const { around, aroundPair } = await specialOf({ postProcessor });
  expect(around).toEqual({ before: [bos], after: [eos] });
  expect(aroundPair).toEqual({ before: [bos], between: [eos, eos], after: [eos], marksSecond: false });
});

test("Llama's template, also behind byte-level post-processing: only a beginning", async () => {
  const llama = templates("<s> $A", "<s> $A <s>:1 $B:1");
  const behind = { type: "Sequence", processors: [{ type: "ByteLevel" }, llama] };
  for (const postProcessor of [llama, behind]) {
    const { around, aroundPair } = await specialOf({ postProcessor });
    expect(around).toEqual({ before: [bos], after: [] });
    expect(aroundPair).toEqual({ before: [bos], between: [bos], after: [], marksSecond: true });
  }
});

test.each([null, { type: "ByteLevel" }])("post-processor %j puts nothing around texts", async (each) => {
  const { around, aroundPair } = await specialOf({ postProcessor: each });
  expect(around).toEqual(none);
  expect(aroundPair).toEqual({ ...none, between: [], marksSecond: false });
});

test("a template that speaks of one text only has pairs side by side in it", async () => {
  const { aroundPair } = await specialOf({ postProcessor: templates("<s> $A </s>", "<s> $A </s>") });
  expect(aroundPair).toEqual({ before: [bos], between: [], after: [eos], marksSecond: false });
});

test("a template with a token that has no id is refused", async () => {
  const refused = specialOf({ postProcessor: templates("<none> $A", "<none> $A $B") });
  await expect(refused).rejects.toThrow(LuthierError);
  await expect(refused).rejects.toThrow("puts a token around texts that has no id");
});

// What HFLM.prefix_token_id of lm-evaluation-harness gives: the beginning's token, or else the end's.
test.each([
  ["both", { bos_token: "<s>", eos_token: "</s>" }, undefined, bos, eos],
  ["objects", { bos_token: { content: "<s>" }, eos_token: { content: "</s>" } }, undefined, bos, eos],
  ["an end only", { bos_token: null, eos_token: "</s>" }, { bos_token_id: 0 }, eos, eos],
  ["a beginning only", { bos_token: "<s>" }, undefined, bos, null],
  ["nothing", {}, undefined, null, null],
  ["tokens that it does not have", { bos_token: "<x>", eos_token: 7 }, undefined, null, null],
  ["nothing, but config.json ids", {}, { bos_token_id: 2, eos_token_id: [3, 0] }, bos, eos],
  ["nothing, and config.json ids of others", {}, { bos_token_id: 99, eos_token_id: -1 }, null, null],
])("named in tokenizer_config.json: %s", async (_, tokenizerConfig, config, prefix, end) => {
  const special = await specialOf({ postProcessor: null, tokenizerConfig, config });
  expect([special.prefix, special.end]).toEqual([prefix, end]);
});
