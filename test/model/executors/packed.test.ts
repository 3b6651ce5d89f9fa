import { expect, test } from "vitest";
import type { Executor } from "../../../src/model/executor.js";
import { openPackedExecutor, type PackedLinearUnit } from "../../../src/model/executors/packed.js";
import { matrix } from "../../../src/tensor/matrix.js";

const unit = (factor: number, bias: Float32Array | null): PackedLinearUnit => ({
  rows: 2,
  multiply: async ({ rows, columns, data }) =>
    matrix(
      rows,
      columns,
      data.map((value) => value * factor),
    ),
  bias,
});

const pack = new Map([
  ["q", unit(10, null)],
  ["k", unit(100, Float32Array.of(0.5, 0.25))],
]);

function open(calls: string[] = []): Executor {
  const rest: Executor = {
    enter: async (linears) => void calls.push(`enter ${linears}`),
    async run(linears, input) {
      calls.push(`run ${linears}`);
      return linears.map(() => input);
    },
  };
  return openPackedExecutor(async (linear) => pack.get(linear) ?? null, rest);
}

const input = matrix(2, 2, Float32Array.of(1, 2, 3, 4));

test("packed linears are computed by the engine, the bias added to every token", async () => {
  const executor = open();
  await executor.enter(["q", "k"]);
  const [q, k] = await executor.run(["q", "k"], input);
  expect([...q.data]).toEqual([10, 20, 30, 40]);
  expect([...k.data]).toEqual([100.5, 200.25, 300.5, 400.25]);
});

test("linears that the pack does not hold go to the other executor, the order of outputs kept", async () => {
  const calls: string[] = [];
  const executor = open(calls);
  await executor.enter(["q", "v", "k"]);
  const outputs = await executor.run(["v", "q"], input);
  expect(calls).toEqual(["enter v", "run v"]);
  expect(outputs.map(({ data }) => data[0])).toEqual([1, 10]);
});

test("a linear of a block entered before is let go of", async () => {
  const calls: string[] = [];
  const executor = open(calls);
  await executor.enter(["q"]);
  await executor.enter(["v"]);
  await executor.run(["q"], input); // the other executor, which refuses it
  expect(calls).toEqual(["enter ", "enter v", "run q"]);
});

test("of no tokens, as an expert may have them, outputs have no rows, and the engine is not asked", async () => {
  const executor = openPackedExecutor(
    async () => ({
      rows: 5,
      bias: new Float32Array(5),
      multiply: () => Promise.reject(new RangeError("no tokens")),
    }),
    open(),
  );
  await executor.enter(["q"]);
  expect(await executor.run(["q"], matrix(0, 2))).toEqual([matrix(0, 5)]);
});
