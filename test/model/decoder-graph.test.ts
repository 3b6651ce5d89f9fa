import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { decoderGraph } from "../../src/model/decoder-graph.js";
import { describeModel } from "../../src/model/model.js";
import { encodeModel, type Graph } from "../../src/model/onnx.js";
import { openOps } from "../../src/model/ops.js";
import { rowsOf } from "../../src/tensor/matrix.js";
import { furthestApart } from "./furthest-apart.js";
import { generatedSource, openGenerated } from "./generated-checkpoint.js";
import { type LlamaVariant, llamaVariants } from "./llama-variants.js";

type Feeds = Record<string, Tensor>;

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

// The graph has the frequencies of windows within the context; these go beyond it.
const within = Object.entries(llamaVariants).filter(([name]) => !name.includes("beyond its context"));

describe.each(within)("%s", (_, variant) => {
  const windows = variant.windows.map((window) => Int32Array.from(window));
  const vocabulary = Number(variant.config.vocab_size);

  test("a graph of whole windows has the logits of transformers", async () => {
    const { run } = await open(variant, false);
    const { logits } = await run({ input_ids: ids([windows[0]]) });
    expect(logits.dims).toEqual([1, windows[0].length, vocabulary]);
    for (const [i, position] of variant.positions.entries()) {
      const row = floats(logits).subarray(position * vocabulary, (position + 1) * vocabulary);
      expect(furthestApart(row, variant.logits[i])).toBeLessThan(1e-4);
    }
  });

  test("a graph with a cache goes on from any token, in rows of several lengths padded in front", async () => {
    const { graph, run } = await open(variant, true);
    const model = openGenerated(variant.config, generatedSource(variant.tensors), ops);
    const [long, short] = [windows[0], windows[1].subarray(0, 18)];
    const expected = [await model.logits(long), await model.logits(short)];
    const padding = long.length - short.length;
    const rows = [long, Int32Array.of(...new Int32Array(padding), ...short)];
    let cache = emptyCache(graph, 2);
    for (const [first, last] of [
      [0, 10],
      [10, 11],
      [11, 20],
      [20, 24],
    ]) {
      const { logits, ...present } = await run({
        input_ids: ids(rows.map((row) => row.subarray(first, last))),
        attention_mask: int64([0, padding].map((start) => range(0, last).map((i) => Number(i >= start)))),
        position_ids: int64(
          [0, padding].map((start) => range(first, last).map((i) => Math.max(0, i - start))),
        ),
        ...cache,
      });
      cache = Object.fromEntries(
        Object.entries(present).map(([name, tensor]) => [name.replace("present", "past_key_values"), tensor]),
      );
      for (const [row, start] of [0, padding].entries()) {
        for (let i = Math.max(first, start); i < last; i++) {
          const at = (row * (last - first) + i - first) * vocabulary;
          const own = rowsOf(expected[row], i - start, i - start + 1).data;
          expect(furthestApart(floats(logits).subarray(at, at + vocabulary), own)).toBeLessThan(1e-4);
        }
      }
    }
  });
});

test("dynamic scaling is that of windows within the context", async () => {
  const [, variant] = Object.entries(llamaVariants).find(([name]) => name.includes("beyond its context"))!;
  const window = Int32Array.from(variant.windows[0]).subarray(
    0,
    Number(variant.config.max_position_embeddings),
  );
  const { run } = await open(variant, false);
  const { logits } = await run({ input_ids: ids([window]) });
  const expected = await openGenerated(variant.config, generatedSource(variant.tensors), ops).logits(window);
  expect(furthestApart(floats(logits), expected.data)).toBeLessThan(1e-4);
});

test("a token outside the vocabulary is an error, not garbage", async () => {
  const { run } = await open(llamaVariants["llama, biases everywhere"], false);
  await expect(run({ input_ids: ids([Int32Array.of(1, 40)]) })).rejects.toThrow(/out of data bounds/);
});

/** The graph with all tensors as inputs beside the tokens, linears multiplied in float32. */
async function open({ config, tensors }: LlamaVariant, cached: boolean) {
  const source = generatedSource(tensors);
  const description = describeModel(config, (name) => tensors[name]);
  const graph = await decoderGraph(
    {
      config,
      description,
      product: ({ tensor }, input, output) => ({
        nodes: [
          {
            op: "Transpose",
            inputs: [tensor],
            outputs: [`${output}.transposed`],
            attributes: { perm: [1, 0] },
          },
          { op: "MatMul", inputs: [input, `${output}.transposed`], outputs: [output] },
        ],
      }),
    },
    cached,
  );
  const weights: Feeds = {};
  for (const [name, shape] of Object.entries(tensors)) {
    weights[name] = new Tensor("float32", new Float32Array((await source.read(name)).buffer), shape);
  }
  const inputs = [...graph.inputs, ...Object.entries(tensors).map(([name, shape]) => ({ name, shape }))];
  const session = await InferenceSession.create(encodeModel({ ...graph, inputs }), { logSeverityLevel: 4 });
  return { graph, run: (feeds: Feeds) => session.run({ ...feeds, ...weights }) as Promise<Feeds> };
}

function emptyCache(graph: Graph, batch: number): Feeds {
  const past = graph.inputs.filter(({ name }) => name.startsWith("past_key_values"));
  return Object.fromEntries(
    past.map(({ name, shape: [, heads, , size] }) => [
      name,
      new Tensor("float32", new Float32Array(0), [batch, Number(heads), 0, Number(size)]),
    ]),
  );
}

function ids(rows: readonly Int32Array[]): Tensor {
  return int64(rows.map((row) => [...row]));
}

function int64(rows: readonly (readonly number[])[]): Tensor {
  return new Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0].length]);
}

function floats(tensor: Tensor): Float32Array {
  return tensor.data as Float32Array;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first }, (_, i) => first + i);
}
