/**
 * An exact change of a model before it is quantized: the float model computes the same, but what is quantized suits its
 * scheme better. All of today are orders of channels.
 */
export interface Transform {
  /** The file's name, and `transform` in a recipe. */
  readonly name: string;
  /** One line for people who choose. */
  readonly summary: string;
  /** The paper that defines it, or what it was made for. */
  readonly source: string;
  /**
   * A new order of channels: `order[i]` is the channel that comes to place i. Deterministic.
   * @param importance of each channel, a logarithm; −∞ of one that is always zero. Never NaN.
   */
  order(importance: Float64Array): Uint32Array;
}
