import fc from "fast-check";
import { expect, test } from "vitest";
import { readMatrix } from "../../src/checkpoint/tensors.js";
import type { ModelDescription } from "../../src/model/architecture.js";
import { embed } from "../../src/model/embedding.js";
import { rowsOf } from "../../src/tensor/matrix.js";
import { generatedSource, kernels } from "./generated-checkpoint.js";

const vocabularySize = 5000;
const hiddenSize = 3;
const description: ModelDescription = {
  modelType: "none",
  blocks: [],
  head: {
    name: "lm_head",
    rows: vocabularySize,
    columns: hiddenSize,
    tensor: "embedding",
    bias: null,
    norm: null,
    headNorm: null,
    rotaryHeadSize: null,
    attention: null,
  },
  embedding: "embedding",
  hiddenSize,
  feedForwardSize: 0,
  vocabularySize,
  contextLength: 64,
  floatTensors: ["embedding"],
  channels: [],
  scalable: [],
};
const shapes = { embedding: [vocabularySize, hiddenSize] };

test("each token gets its row of the table, in the tokens' order", async () => {
  const table = await readMatrix(generatedSource(shapes), "embedding", kernels);
  const anyTokens = fc.array(
    fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: vocabularySize - 1 })),
  );
  await fc.assert(
    fc.asyncProperty(anyTokens, async (tokens) => {
      const out = await embed(Int32Array.from(tokens), description, generatedSource(shapes), kernels);
      expect(out.rows).toBe(tokens.length);
      for (const [at, token] of tokens.entries()) {
        expect([...rowsOf(out, at, at + 1).data]).toEqual([...rowsOf(table, token, token + 1).data]);
      }
    }),
  );
});

test("only the rows near tokens that occur are read, near ones together", async () => {
  const reads: string[] = [];
  await embed(Int32Array.from([4000, 7, 9, 7, 4001]), description, generatedSource(shapes, reads), kernels);
  expect(reads).toEqual(["embedding 7-10", "embedding 4000-4002"]);
});

test("no read takes more than 512 rows, even when all tokens occur", async () => {
  const reads: string[] = [];
  const tokens = Int32Array.from({ length: vocabularySize }, (_, i) => i);
  await embed(tokens, description, generatedSource(shapes, reads), kernels);
  expect(reads).toHaveLength(Math.ceil(vocabularySize / 512));
  expect(reads[0]).toBe("embedding 0-512");
});

test.each([-1, vocabularySize])("token %d is outside the vocabulary and refused", async (token) => {
  const tokens = Int32Array.from([0, token]);
  await expect(embed(tokens, description, generatedSource(shapes), kernels)).rejects.toThrow(
    `token id ${token} is outside the model's vocabulary of 5000`,
  );
});
