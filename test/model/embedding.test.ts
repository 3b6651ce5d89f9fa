import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { readMatrix } from "../../src/checkpoint/tensors.js";
import type { ModelDescription } from "../../src/model/architecture.js";
import { batchesOf } from "../../src/model/batches.js";
import { embed } from "../../src/model/embedding.js";
import { openOps } from "../../src/model/ops.js";
import { rowsOf } from "../../src/tensor/matrix.js";
import { generatedSource, kernels } from "./generated-checkpoint.js";

const vocabularySize = 5000;
const hiddenSize = 3;
const description: ModelDescription = {
  modelType: "llama",
  kind: "causal",
  blocks: [],
  head: null,
  readout: null,
  embedding: "embedding",
  hiddenSize,
  feedForwardSize: 0,
  vocabularySize,
  logitCap: null,
  contextLength: 64,
  floatTensors: ["embedding"],
  channels: [],
  scalable: [],
};
const shapes = { embedding: [vocabularySize, hiddenSize] };

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

function embedded(tokens: Int32Array, source = generatedSource(shapes)) {
  const [batch] = batchesOf([tokens]);
  return embed(batch, { config: { model_type: "llama" }, description, source, ops, kernels });
}

test("each token gets its row of the table, in the tokens' order", async () => {
  const table = await readMatrix(generatedSource(shapes), "embedding", kernels);
  const anyTokens = fc.array(
    fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: vocabularySize - 1 })),
    { minLength: 1 },
  );
  await fc.assert(
    fc.asyncProperty(anyTokens, async (tokens) => {
      const out = await embedded(Int32Array.from(tokens));
      expect(out.rows).toBe(tokens.length);
      for (const [at, token] of tokens.entries()) {
        expect([...rowsOf(out, at, at + 1).data]).toEqual([...rowsOf(table, token, token + 1).data]);
      }
    }),
  );
});

test("only the rows near tokens that occur are read, near ones together", async () => {
  const reads: string[] = [];
  await embedded(Int32Array.from([4000, 7, 9, 7, 4001]), generatedSource(shapes, reads));
  expect(reads).toEqual(["embedding 7-10", "embedding 4000-4002"]);
});

test("no read takes more than 512 rows, even when all tokens occur", async () => {
  const reads: string[] = [];
  const tokens = Int32Array.from({ length: vocabularySize }, (_, i) => i);
  await embedded(tokens, generatedSource(shapes, reads));
  expect(reads).toHaveLength(Math.ceil(vocabularySize / 512));
  expect(reads[0]).toBe("embedding 0-512");
});

test.each([-1, vocabularySize])("token %d is outside the vocabulary and refused", async (token) => {
  const tokens = Int32Array.from([0, token]);
  await expect(embedded(tokens)).rejects.toThrow(
    `token id ${token} is outside the model's vocabulary of 5000`,
  );
});
