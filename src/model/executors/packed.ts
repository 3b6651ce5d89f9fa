import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { Executor } from "../executor.js";

/** A linear that the engine computes from a pack's bytes. */
export interface PackedLinearUnit {
  /** N. */
  readonly rows: number;
  /** `[tokens, K]` → `[tokens, N]`, before the bias. */
  multiply(input: Matrix): Promise<Matrix>;
  /** `[N]`, added in float32. */
  readonly bias: Float32Array | null;
}

/**
 * Computes the linears that a pack holds with the engine, and all others with `rest`. `open` reads a linear from the
 * pack, or gives null for one that the recipe kept float.
 */
export function openPackedExecutor(
  open: (linear: string) => Promise<PackedLinearUnit | null>,
  rest: Executor,
): Executor {
  let units = new Map<string, PackedLinearUnit>();
  return {
    async enter(linears) {
      units = new Map();
      const kept: string[] = [];
      for (const linear of linears) {
        const unit = await open(linear);
        if (unit) units.set(linear, unit);
        else kept.push(linear);
      }
      await rest.enter(kept);
    },
    async run(linears, input) {
      const outputs: Matrix[] = [];
      for (const linear of linears) {
        const unit = units.get(linear);
        if (unit && input.rows === 0)
          outputs.push(matrix(0, unit.rows)); // an expert that no token goes to
        else if (unit) outputs.push(addBias(await unit.multiply(input), unit.bias));
        else outputs.push(...(await rest.run([linear], input)));
      }
      return outputs;
    },
  };
}

function addBias(output: Matrix, bias: Float32Array | null): Matrix {
  if (bias === null) return output;
  const { rows, columns, data } = output;
  const out = matrix(rows, columns);
  for (let i = 0; i < data.length; i++) out.data[i] = data[i] + bias[i % columns];
  return out;
}
