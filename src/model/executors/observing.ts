import type { Matrix } from "../../tensor/matrix.js";
import type { Executor } from "../executor.js";

/** Hands every input to `observe` before another executor computes it: how calibration sees activations. */
export function openObservingExecutor(
  inner: Executor,
  observe: (linears: readonly string[], input: Matrix) => Promise<void> | void,
): Executor {
  return {
    enter: (linears) => inner.enter(linears),
    async run(linears, input) {
      await observe(linears, input);
      return inner.run(linears, input);
    },
  };
}
