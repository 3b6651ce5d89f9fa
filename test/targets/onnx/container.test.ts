import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { openTokenizer } from "../../../src/checkpoint/tokenizer.js";
import { openKernels } from "../../../src/kernels/open.js";
import { openModelAt } from "../../../src/pipeline/open-model.js";
import { packRun } from "../../../src/pipeline/pack.js";
import { verifyRun } from "../../../src/pipeline/verify.js";
import { bundledModel, hashesOf, quantizeBundled, suiteFolder, temporaryFolder } from "../../pipeline/run.js";

const kernels = openKernels();

/** The first tokens of the bundled text. */
async function tokensOf(count: number): Promise<Int32Array> {
  const text = readFileSync(path.join(bundledModel, "../../calibration/the-fiddle-maker.txt"), "utf8");
  return (await openTokenizer(bundledModel)).encode(text).subarray(0, count);
}

const int64 = (values: Int32Array) =>
  new Tensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);

describe("the bundled model as an ONNX file", () => {
  let run = "";
  let folder = "";
  beforeAll(async () => {
    run = suiteFolder();
    folder = path.join(run, "packs", "onnx");
    await quantizeBundled("onnx-int4-g32", run);
  });

  test("onnxruntime gives the logits of our dequantized weights to 1e-3", async () => {
    const tokens = await tokensOf(48);
    const session = await InferenceSession.create(path.join(folder, "model.onnx"));
    const { logits } = await session.run({ input_ids: int64(tokens) });
    const { model, close } = await openModelAt({ path: run, engine: "float", kernels });
    const expected = await model.logits(tokens);
    await close();
    expect(logits.dims).toEqual([1, 48, expected.columns]);
    const worst = expected.data.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - Number(logits.data[i]))),
      0,
    );
    expect(worst).toBeLessThan(1e-3);
  });

  test("the engine reads its weights from the file, and they are those of the schemes", async () => {
    const tokens = await tokensOf(16);
    const logitsOf = async (engine: "float" | "lut") => {
      const { model, close } = await openModelAt({ path: run, engine, kernels });
      const { data } = await model.logits(tokens);
      await close();
      return data;
    };
    expect(await logitsOf("lut")).toEqual(await logitsOf("float"));
    expect((await verifyRun(run, kernels)).faults).toEqual([]);
  });

  test("is written alike again", async () => {
    const before = hashesOf(run, ["packs"]);
    await packRun({ run, target: { target: "onnx", accuracyLevel: 0, cache: false } });
    expect(hashesOf(run, ["packs"])).toEqual(before);
  });
});

test("a graph with a cache gives token by token what the whole window gives", async () => {
  const run = temporaryFolder();
  await quantizeBundled("onnx-int4-g32", run);
  await packRun({ run, target: { target: "onnx", accuracyLevel: 4, cache: true } });
  const tokens = await tokensOf(6);
  const session = await InferenceSession.create(path.join(run, "packs/onnx/model.onnx"));
  const shapes = session.inputMetadata.filter(({ name }) => name.startsWith("past_key_values"));
  let cache: Record<string, Tensor> = Object.fromEntries(
    shapes.map((input) => {
      const shape = (input as { shape: readonly (number | string)[] }).shape;
      return [
        input.name,
        new Tensor("float32", new Float32Array(0), [1, Number(shape[1]), 0, Number(shape[3])]),
      ];
    }),
  );
  const { model, close } = await openModelAt({ path: run, engine: "float", kernels });
  const expected = await model.logits(tokens);
  await close();
  for (const [at, token] of tokens.entries()) {
    const { logits, ...present } = await session.run({
      input_ids: int64(Int32Array.of(token)),
      attention_mask: int64(new Int32Array(at + 1).fill(1)),
      position_ids: int64(Int32Array.of(at)),
      ...cache,
    });
    cache = Object.fromEntries(
      Object.entries(present).map(([name, tensor]) => [
        name.replace("present", "past_key_values"),
        tensor as Tensor,
      ]),
    );
    const row = expected.data.subarray(at * expected.columns, (at + 1) * expected.columns);
    const scale = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const worst = row.reduce((most, value, i) => Math.max(most, Math.abs(value - Number(logits.data[i]))), 0);
    expect(worst).toBeLessThan(0.05 * scale); // INT8 inputs of accuracy level 4
  }
});

test("a product of other numbers than its layout's is noticed, though all tensors are as they were", async () => {
  const run = temporaryFolder();
  await quantizeBundled("onnx-int4-g32", run);
  const file = path.join(run, "packs/onnx/model.onnx");
  const bytes = readFileSync(file);
  const blockSize = bytes.indexOf("block_size") + "block_size".length + 1; // behind the key of its value
  expect(bytes[blockSize]).toBe(32);
  bytes[blockSize] = 64;
  writeFileSync(file, bytes);
  const { faults } = await verifyRun(run, kernels);
  expect(faults.join("\n")).toMatch(/q_proj of .*block_size 64, its layout says .*block_size 32/);
});

test.each([
  ["a graph that is cut short", "model.onnx", (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1)],
  [
    "a data file that is cut short",
    "model.onnx.data",
    (bytes: Buffer) => bytes.subarray(0, bytes.length >> 1),
  ],
  ["one changed byte of data", "model.onnx.data", (bytes: Buffer) => bytes.fill(bytes[9] ^ 1, 9, 10)],
])("%s is noticed", async (_, file, change) => {
  const run = temporaryFolder();
  await quantizeBundled("onnx-int4-g32", run);
  const full = path.join(run, "packs/onnx", file);
  writeFileSync(full, change(readFileSync(full)));
  expect((await verifyRun(run, kernels)).faults.join("\n")).toContain(file);
});
