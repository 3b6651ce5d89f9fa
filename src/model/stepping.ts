import type { Matrix } from "../tensor/matrix.js";
import type { Block } from "./architecture.js";
import type { Executor } from "./executor.js";

/** Where a block waits: for the outputs of these linears of this input. */
export interface Waiting {
  readonly linears: readonly string[];
  /** `[tokens, K]`. */
  readonly input: Matrix;
}

/** A block on one batch that is computed from linear to linear, so that many batches can wait at the same one. */
export interface SteppedBlock {
  /** Where it waits; null when it is done. */
  readonly waiting: Waiting | null;
  /** The block's result, `[tokens, hidden]`, once it is done. */
  readonly hidden: Matrix | null;
  /** Goes on with the outputs that it waited for, to the next linears or the end. */
  resume(outputs: readonly Matrix[]): Promise<void>;
}

/**
 * Starts a block and computes it up to its first linears.
 * @param open gives the block on an executor of this batch's own.
 * @param keep what it does with an input that it waits with.
 */
export async function stepThrough(
  open: (executor: Pick<Executor, "run">) => Promise<Block<Matrix>>,
  hidden: Matrix,
  length: number,
  keep: (input: Matrix) => Matrix = (input) => input,
): Promise<SteppedBlock> {
  let waiting: Waiting | null = null;
  let result: Matrix | null = null;
  let goOn: (outputs: readonly Matrix[]) => void = () => {};
  let stopped: () => void = () => {};
  let failed: (error: unknown) => void = () => {};
  const nextStop = () =>
    new Promise<void>((resolve, reject) => {
      stopped = resolve;
      failed = reject;
    });
  const block = await open({
    run: (linears, input) =>
      new Promise((resolve) => {
        waiting = { linears, input: keep(input) };
        goOn = resolve;
        stopped();
      }),
  });
  const first = nextStop();
  block(hidden, length).then(
    (computed) => {
      result = computed;
      stopped();
    },
    (error) => failed(error),
  );
  await first;
  return {
    get waiting() {
      return waiting;
    },
    get hidden() {
      return result;
    },
    async resume(outputs) {
      const stop = nextStop();
      const release = goOn;
      waiting = null;
      goOn = () => {}; // what it holds, the outputs, is let go
      release(outputs);
      await stop;
    },
  };
}
