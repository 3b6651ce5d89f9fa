import { expect, test } from "vitest";
import type { Block } from "../../src/model/architecture.js";
import type { Executor } from "../../src/model/executor.js";
import { stepThrough } from "../../src/model/stepping.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";

const one = (value: number) => matrix(1, 1, Float32Array.of(value));

/** `x → b(a(x) + 1)`. */
const block =
  (executor: Pick<Executor, "run">): Block<Matrix> =>
  async (hidden) => {
    const [first] = await executor.run(["a"], hidden);
    const [second] = await executor.run(["b"], one(first.data[0] + 1));
    return second;
  };

test("a block waits at each of its linears, and is done after the last", async () => {
  const stepped = await stepThrough(async (executor) => block(executor), one(5), 1);
  expect(stepped.waiting).toEqual({ linears: ["a"], input: one(5) });
  expect(stepped.hidden).toBeNull();
  await stepped.resume([one(7)]);
  expect(stepped.waiting).toEqual({ linears: ["b"], input: one(8) });
  await stepped.resume([one(9)]);
  expect(stepped.waiting).toBeNull();
  expect(stepped.hidden).toEqual(one(9));
});

test("what fails between two linears fails the step", async () => {
  const stepped = await stepThrough(
    async (executor) => async (hidden) => {
      await executor.run(["a"], hidden);
      throw new RangeError("overflow");
    },
    one(1),
    1,
  );
  await expect(stepped.resume([one(1)])).rejects.toThrow("overflow");
});
