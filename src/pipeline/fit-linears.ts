import path from "node:path";
import { type BiasCorrection, MeanOfTokens, missingMean } from "../quantizers/bias-correction.js";
import type { CalibrationInputs, FitContext, LinearToFit } from "../quantizers/calibrated-quantizer.js";
import { notFiniteOnText } from "../quantizers/finite-inputs.js";
import { largestMagnitude } from "../schemes/activation.js";
import { relativeError } from "../schemes/relative-error.js";
import type { ActivationScheme, WeightScheme } from "../schemes/scheme.js";
import { outlineOf } from "../schemes/weights.js";
import type { Matrix } from "../tensor/matrix.js";
import type { BlockProducts } from "./block-products.js";
import type { CalibrationOptions } from "./calibrate-stage.js";
import { calibratedQuantizerOf } from "./choices.js";
import type { PlannedLinear } from "./plan.js";
import { entryOf, expectFinite, finishedEntry, quantizeOne, type ToQuantize } from "./quantize-stage.js";
import {
  type QuantizedEntry,
  quantizedFolder,
  readBias,
  readScheme,
  schemeFile,
  writeScheme,
} from "./quantized-files.js";
import { expectReached, routedInputs, tokensOf } from "./routed-inputs.js";

/** The inputs that linears are fitted to, and the mean of the float model's, `[K]` (`MeanOfTokens`). */
export interface WatchedInputs extends CalibrationInputs {
  /** Tokens of a window. */
  readonly length: number;
  floatMean(): Promise<Float64Array>;
}

/**
 * Fits linears that read one input, those of one rule's method and options together, and writes their schemes; what an
 * earlier process finished, or looks at weights alone, is read instead. Scales of inputs that serve everything are measured.
 * All of them are known to `products` then.
 */
export async function fitLinears(
  { run, planned, seed, chosenRows, kernels }: FitOptions,
  names: readonly string[],
  inputs: WatchedInputs,
  products: BlockProducts,
): Promise<readonly QuantizedEntry[]> {
  const folder = quantizedFolder(run);
  const entries: QuantizedEntry[] = [];
  const isRouted = planned.some(({ linear }) => linear.isRouted && names.includes(linear.name));
  const fitted = isRouted ? routedInputs(inputs) : inputs;
  const tokens = tokensOf(inputs.quantized);
  const coverage = isRouted ? { tokens } : {};
  for (const together of byChoice(planned.filter(({ linear }) => names.includes(linear.name)))) {
    for (const { linear, quantize } of together) expectReached(linear.name, quantize.activation, tokens);
    const finished = await Promise.all(together.map((each) => finishedEntry(folder, each)));
    if (finished.every((entry) => entry !== null)) {
      for (const entry of finished) {
        const file = path.join(folder, entry.file);
        const bias = entry.bias ? await readBias(file, entry.weight.rows) : products.bias(entry.name);
        const activation = measured(entry.name, entry.activation, inputs);
        await products.add(entry.name, await readScheme(file, entry.weight), activation, bias);
        entries.push({ ...entry, activation, ...coverage });
      }
      continue;
    }
    const schemes = await schemesOf(together, fitted, products, { seed, kernels, chosenRows });
    for (const [at, each] of together.entries()) {
      const { name } = each.linear;
      const scheme = schemes[at];
      const error = await relativeError(products.weight(name), scheme, kernels);
      const { biasCorrection } = each.quantize;
      const activation = measured(name, each.quantize.activation, inputs);
      const bias =
        biasCorrection && (await ownBias(biasCorrection, name, scheme, activation, inputs, products));
      const written = await writeScheme(path.join(folder, schemeFile(name)), scheme, error, bias);
      await products.add(name, scheme, activation, bias ?? products.bias(name));
      entries.push({ ...entryOf(each, outlineOf(scheme), error), ...written, activation, ...coverage });
    }
  }
  return entries;
}

type FitOptions = Pick<CalibrationOptions, "run" | "planned" | "seed" | "chosenRows" | "kernels">;

/** How an input is represented, with the largest magnitude that the quantized model has there where that is asked for. */
function measured(
  name: string,
  activation: ActivationScheme,
  { quantized }: CalibrationInputs,
): ActivationScheme {
  if (!("per" in activation) || activation.per !== "tensor") return activation;
  let largest = 0;
  for (const { data } of quantized) largest = Math.max(largest, largestMagnitude(data));
  if (Number.isFinite(largest)) return { ...activation, largest };
  throw notFiniteOnText(`the input of ${name} is not finite`);
}

/**
 * Linears of one method, fitted together or, where it looks at weights alone, each by itself.
 * @param block knows their weights, `[N, K]`.
 * @throws LuthierError when the method could not hold a weight.
 */
export async function schemesOf(
  together: readonly Pick<ToQuantize, "linear" | "quantize">[],
  inputs: CalibrationInputs,
  block: Pick<BlockProducts, "weight">,
  context: FitContext,
): Promise<readonly WeightScheme[]> {
  const linears = together.map(
    ({ linear }): LinearToFit => ({ ...linear, weight: block.weight(linear.name) }),
  );
  const choice = calibratedQuantizerOf(together[0].quantize.choice);
  const schemes: WeightScheme[] = [];
  if (choice) schemes.push(...(await choice.quantizer.quantize(linears, inputs, choice.options, context)));
  else
    for (const [at, each] of together.entries())
      schemes.push(await quantizeOne(each, linears[at].weight, context.kernels));
  for (const [at, { linear }] of together.entries()) expectFinite(linear, schemes[at]);
  return schemes;
}

/** The checkpoint's bias and what the quantized linear lacks on the mean, `[N]`. */
async function ownBias(
  correction: BiasCorrection,
  name: string,
  scheme: WeightScheme,
  activation: ActivationScheme,
  { quantized, length, floatMean }: WatchedInputs,
  products: BlockProducts,
): Promise<Float32Array> {
  const weight = products.weight(name);
  const meanOf = async (columns: number, of: (input: Matrix) => Promise<Matrix> | Matrix) => {
    const mean = new MeanOfTokens(length, columns);
    for (const input of quantized) mean.add(await of(input));
    return mean.value;
  };
  const inputs = correction === "float" ? await floatMean() : await meanOf(weight.columns, (input) => input);
  const missing = await missingMean(correction, weight, scheme, inputs, async () => {
    await products.add(name, scheme, activation, null);
    return meanOf(weight.rows, async (input) => (await products.quantized([name], input))[0]);
  });
  const bias = products.bias(name);
  return Float32Array.from(missing, (value, row) => value + (bias ? bias[row] : 0));
}

/** The linears that are quantized, those with the same method and options together. */
export function byChoice(planned: readonly PlannedLinear[]): readonly (readonly ToQuantize[])[] {
  const groups = new Map<string, ToQuantize[]>();
  for (const each of planned) {
    if (each.quantize === null) continue;
    const key = JSON.stringify(each.quantize.choice);
    const same = groups.get(key) ?? [];
    groups.set(key, [...same, { ...each, quantize: each.quantize }]);
  }
  return [...groups.values()];
}
