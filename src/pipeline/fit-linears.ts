import path from "node:path";
import { LuthierError } from "../error.js";
import type { CalibrationInputs, LinearToFit } from "../quantizers/calibrated-quantizer.js";
import { largestMagnitude } from "../schemes/activation.js";
import { relativeError } from "../schemes/relative-error.js";
import type { ActivationScheme } from "../schemes/scheme.js";
import { outlineOf } from "../schemes/weights.js";
import type { BlockProducts } from "./block-products.js";
import type { CalibrationOptions } from "./calibrate-stage.js";
import { calibratedQuantizerOf, type PlannedLinear } from "./plan.js";
import { entryOf, expectFinite, finishedEntry, type ToQuantize } from "./quantize-stage.js";
import {
  type QuantizedEntry,
  quantizedFolder,
  readScheme,
  schemeFile,
  writeScheme,
} from "./quantized-files.js";

/**
 * Fits linears that read one input, those of one rule's method and options together, and writes their schemes; what an
 * earlier process finished, or looks at weights alone, is read instead. Scales of inputs that serve everything are measured.
 * All of them are known to `products` then.
 */
export async function fitLinears(
  { run, planned, seed, chosenRows, kernels }: FitOptions,
  names: readonly string[],
  inputs: CalibrationInputs,
  products: BlockProducts,
): Promise<readonly QuantizedEntry[]> {
  const folder = quantizedFolder(run);
  const entries: QuantizedEntry[] = [];
  for (const together of byChoice(planned.filter(({ linear }) => names.includes(linear.name)))) {
    const finished = await Promise.all(together.map((each) => finishedEntry(folder, each)));
    if (finished.every((entry) => entry !== null)) {
      for (const entry of finished) {
        const scheme = await readScheme(path.join(folder, entry.file), entry.weight);
        const activation = measured(entry, inputs);
        await products.add(entry.name, scheme, activation);
        entries.push({ ...entry, activation });
      }
      continue;
    }
    const choice = calibratedQuantizerOf(together[0].quantize.choice);
    if (choice === null) throw new RangeError(`${together[0].linear.name} is not fitted`);
    const linears = together.map(
      ({ linear }): LinearToFit => ({ ...linear, weight: products.weight(linear.name) }),
    );
    const schemes = await choice.quantizer.quantize(linears, inputs, choice.options, {
      seed,
      kernels,
      chosenRows,
    });
    for (const [at, each] of together.entries()) {
      expectFinite(each.linear, schemes[at]);
      const error = await relativeError(linears[at].weight, schemes[at], kernels);
      const { name } = each.linear;
      const written = await writeScheme(path.join(folder, schemeFile(name)), schemes[at], error);
      const activation = measured({ name, activation: each.quantize.activation }, inputs);
      await products.add(name, schemes[at], activation);
      entries.push({ ...entryOf(each, outlineOf(schemes[at]), error), ...written, activation });
    }
  }
  return entries;
}

type FitOptions = Pick<CalibrationOptions, "run" | "planned" | "seed" | "chosenRows" | "kernels">;

/** How an input is represented, with the largest magnitude that the quantized model has there where that is asked for. */
function measured(
  { name, activation }: Pick<QuantizedEntry, "name" | "activation">,
  { quantized }: CalibrationInputs,
): ActivationScheme {
  if (!("per" in activation) || activation.per !== "tensor") return activation;
  let largest = 0;
  for (const { data } of quantized) largest = Math.max(largest, largestMagnitude(data));
  if (Number.isFinite(largest)) return { ...activation, largest };
  throw new LuthierError(
    `on the calibration text the input of ${name} is not finite`,
    "check that the checkpoint is whole: the model computes NaN or infinity",
  );
}

/** The linears that are quantized, those with the same method and options together. */
export function byChoice(planned: readonly PlannedLinear[]): Iterable<readonly ToQuantize[]> {
  const groups = new Map<string, ToQuantize[]>();
  for (const each of planned) {
    if (each.quantize === null) continue;
    const key = JSON.stringify(each.quantize.choice);
    const same = groups.get(key) ?? [];
    groups.set(key, [...same, { ...each, quantize: each.quantize }]);
  }
  return groups.values();
}
