import { LuthierError } from "../error.js";
import type { CalibrationInputs } from "../quantizers/calibrated-quantizer.js";
import { isStatic } from "../schemes/activation.js";
import type { ActivationScheme } from "../schemes/scheme.js";
import { type Matrix, matrix } from "../tensor/matrix.js";

/*
 * What the linears of an expert are fitted to. Only those tokens reach it that the router of the quantized model gives to it:
 * in some batches perhaps none, and in the float model others, so that nothing of that model can be set beside them.
 */

/** Tokens in batches of them. */
export function tokensOf(batches: readonly Matrix[]): number {
  return batches.reduce((sum, { rows }) => sum + rows, 0);
}

/**
 * The inputs of experts as a fit takes them: batches with tokens only, the same ones for the float model. Where no token
 * of the whole text reaches the expert, inputs of which all are equally large and none goes with another, so that only
 * weights decide.
 */
export function routedInputs({ quantized }: Pick<CalibrationInputs, "quantized">): CalibrationInputs {
  const reached = quantized.filter(({ rows }) => rows > 0);
  const batches = reached.length > 0 ? reached : [unitMatrix(quantized[0].columns)];
  return {
    quantized: batches,
    async *float() {
      yield* batches;
    },
  };
}

/**
 * Refuses an expert that no token reaches where its input's representation is measured.
 * @throws LuthierError by name.
 */
export function expectReached(name: string, activation: ActivationScheme, tokens: number): void {
  if (tokens > 0 || !(isStatic(activation) || activation.scheme === "centroids")) return;
  throw new LuthierError(
    `no token of the calibration text reaches ${name}: how its input is represented cannot be measured`,
    "give more calibration text, or keep this linear float: add a rule for it with `keep: float` before the one that matches it",
  );
}

function unitMatrix(size: number): Matrix {
  const out = matrix(size, size);
  for (let i = 0; i < size; i++) out.data[i * size + i] = 1;
  return out;
}
