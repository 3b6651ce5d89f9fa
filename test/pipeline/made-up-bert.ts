import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { wordPieces, writeWordPieces } from "../evaluation/asking/word-pieces.js";
import families from "../fixtures/families.json" with { type: "json" };
import { generatedSource, type Shapes } from "../model/generated-checkpoint.js";

/** Writes a BERT of two small blocks with its own tokenizer; its weights are noise that follows from their names. */
export async function writeMadeUpBert(
  folder: string,
  kind: "classification" | "answering",
  changes: object = {},
): Promise<string> {
  const variant = families[kind]["bert, pairs"];
  const vocabulary = Object.keys(wordPieces.model.vocab).length;
  const shapes: Shapes = {
    ...(variant.tensors as unknown as Shapes),
    "bert.embeddings.word_embeddings.weight": [vocabulary, variant.config.hidden_size],
  };
  mkdirSync(folder, { recursive: true });
  const config = { ...variant.config, vocab_size: vocabulary, ...changes };
  writeFileSync(path.join(folder, "config.json"), JSON.stringify(config));
  await writeWordPieces(folder);
  const source = generatedSource(shapes);
  await writeSafetensors(
    path.join(folder, "model.safetensors"),
    Object.entries(shapes).map(([name, shape]) => ({
      ...{ name, dtype: "F32", shape },
      bytes: (async function* () {
        yield await source.read(name);
      })(),
    })),
  );
  return folder;
}
