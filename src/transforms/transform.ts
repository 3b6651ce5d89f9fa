/**
 * A change of a model before it is quantized, fitted to calibration text: the float model computes the same, or nearly,
 * but what is quantized suits its scheme or its hardware better.
 */
export interface Transform {
  /** The file's name, and `transform` in a recipe. */
  readonly name: string;
  /** One line for people who choose. */
  readonly summary: string;
  /** The paper that defines it, or what it was made for. */
  readonly source: string;
}

/** An exact one that puts channels in another order. */
export interface OrderTransform extends Transform {
  /**
   * A new order of channels: `order[i]` is the channel that comes to place i. Deterministic.
   * @param importance of each channel, a logarithm; −∞ of one that is always zero. Never NaN.
   */
  order(importance: Float64Array): Uint32Array;
}
