import type { Matrix } from "../tensor/matrix.js";

/** What a model calls to compute a linear: the one choke point for every linear of every architecture. */
export interface Executor<Value = Matrix> {
  /**
   * Makes these linears ready to run and lets go of all others. A model enters each block once a pass, so that peak
   * memory is one block.
   */
  enter(linears: readonly string[]): Promise<void>;
  /** Computes several linears of one input `[tokens, K]`: for each name an output `[tokens, N]`, bias included. */
  run(linears: readonly string[], input: Value): Promise<readonly Value[]>;
}
