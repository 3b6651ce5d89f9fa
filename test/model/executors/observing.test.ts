import { expect, test } from "vitest";
import type { Executor } from "../../../src/model/executor.js";
import { openObservingExecutor } from "../../../src/model/executors/observing.js";
import { matrix } from "../../../src/tensor/matrix.js";

function noting(calls: string[]): Executor {
  return {
    enter: async (linears) => void calls.push(`enter ${linears}`),
    async run(linears, input) {
      calls.push(`run ${linears}`);
      return linears.map(() => input);
    },
  };
}

test("each input is seen before it is computed, with the linears that share it", async () => {
  const calls: string[] = [];
  const executor = openObservingExecutor(noting(calls), async (linears, { data }) => {
    await Promise.resolve();
    calls.push(`observe ${linears} of ${data}`);
  });
  await executor.enter(["q", "k", "o"]);
  await executor.run(["q", "k"], matrix(1, 2, Float32Array.of(1, 2)));
  await executor.run(["o"], matrix(1, 1, Float32Array.of(3)));
  expect(calls).toEqual(["enter q,k,o", "observe q,k of 1,2", "run q,k", "observe o of 3", "run o"]);
});

test("the outputs are those of the executor inside", async () => {
  const input = matrix(1, 1, Float32Array.of(7));
  const outputs = await openObservingExecutor(noting([]), () => {}).run(["q", "k"], input);
  expect(outputs).toEqual([input, input]);
});
