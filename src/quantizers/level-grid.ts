import type { Kernels } from "../kernels/kernels.js";
import type { ScaleGrid } from "../schemes/scale-grid.js";
import type { WeightScheme } from "../schemes/scheme.js";
import type { Matrix } from "../tensor/matrix.js";

/**
 * The values that weights of a group may take, whatever represents them: what a method that rounds weight after weight has
 * to know of a scheme. A quantizer makes one from its options.
 */
export interface LevelGrid<Fitted extends FittedLevels = FittedLevels> {
  /**
   * Fits levels to each row of a group.
   * @param weights `[N, g]`, as they are by now.
   */
  fit(weights: Matrix, kernels: Kernels): Promise<Fitted>;
  /**
   * The scheme of a weight.
   * @param codes `[N, K]`: indices of levels.
   * @param groups what `fit` gave for each group of inputs, in their order.
   */
  scheme(grid: ScaleGrid, codes: Uint8Array, groups: readonly Fitted[]): WeightScheme;
}

/** Levels of a group, and whatever the grid has to keep of its parameters. */
export interface FittedLevels {
  /** `[N, L]`, rising; L is the same for all groups, 256 at most. Values of the dequantized weight, to the last bit. */
  readonly levels: Float32Array;
}

/** What each group has for its rows, `[N]` each, as the grid of a scheme: `[N, groups]`. */
export function besideEachOther<Values extends Float32Array | Uint8Array>(groups: readonly Values[]): Values {
  const rows = groups[0].length;
  const out = new (groups[0].constructor as new (length: number) => Values)(rows * groups.length);
  for (const [group, values] of groups.entries())
    for (let row = 0; row < rows; row++) out[row * groups.length + group] = values[row];
  return out;
}
