import path from "node:path";
import { type BiasCorrection, MeanOfTokens, missingMean } from "../quantizers/bias-correction.js";
import type { CalibrationInputs, FitContext, LinearToFit } from "../quantizers/calibrated-quantizer.js";
import { relativeError } from "../schemes/relative-error.js";
import type { WeightScheme } from "../schemes/scheme.js";
import { outlineOf } from "../schemes/weights.js";
import type { Matrix } from "../tensor/matrix.js";
import type { BlockProducts } from "./block-products.js";
import type { CalibrationOptions } from "./calibrate-stage.js";
import { calibratedQuantizerOf } from "./plan.js";
import { entryOf, expectFinite, finishedEntry, quantizeOne, type ToQuantize } from "./quantize-stage.js";
import {
  type QuantizedEntry,
  quantizedFolder,
  readBias,
  readScheme,
  schemeFile,
  writeScheme,
} from "./quantized-files.js";

/** The inputs that linears are fitted to, and the mean of the float model's, `[K]` (`MeanOfTokens`). */
export interface WatchedInputs extends CalibrationInputs {
  /** Tokens of a window. */
  readonly length: number;
  floatMean(): Promise<Float64Array>;
}

/**
 * Fits linears that read one input, those of one rule's method and options together, and writes their schemes; what an
 * earlier process finished is read instead. All of them are known to `products` then.
 */
export async function fitLinears(
  { run, planned, seed, kernels }: Pick<CalibrationOptions, "run" | "planned" | "seed" | "kernels">,
  names: readonly string[],
  inputs: WatchedInputs,
  products: BlockProducts,
): Promise<readonly QuantizedEntry[]> {
  const folder = quantizedFolder(run);
  const entries: QuantizedEntry[] = [];
  for (const together of byChoice(planned.filter(({ linear }) => names.includes(linear.name)))) {
    const finished = await Promise.all(together.map((each) => finishedEntry(folder, each)));
    if (finished.every((entry) => entry !== null)) {
      for (const entry of finished) {
        const file = path.join(folder, entry.file);
        const bias = entry.bias ? await readBias(file, entry.weight.rows) : products.bias(entry.name);
        await products.add(entry.name, await readScheme(file, entry.weight), bias);
        entries.push(entry);
      }
      continue;
    }
    const schemes = await schemesOf(together, inputs, products, { seed, kernels });
    for (const [at, each] of together.entries()) {
      const { name } = each.linear;
      const scheme = schemes[at];
      const error = await relativeError(products.weight(name), scheme, kernels);
      const { biasCorrection } = each.quantize;
      const bias = biasCorrection && (await ownBias(biasCorrection, name, scheme, inputs, products));
      const written = await writeScheme(path.join(folder, schemeFile(name)), scheme, error, bias);
      await products.add(name, scheme, bias ?? products.bias(name));
      entries.push({ ...entryOf(each, outlineOf(scheme), error), ...written });
    }
  }
  return entries;
}

/** Linears of one method, fitted together or, where it looks at weights alone, each by itself. */
async function schemesOf(
  together: readonly ToQuantize[],
  inputs: CalibrationInputs,
  products: BlockProducts,
  context: FitContext,
): Promise<readonly WeightScheme[]> {
  const linears = together.map(
    ({ linear }): LinearToFit => ({ ...linear, weight: products.weight(linear.name) }),
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
    await products.add(name, scheme, null);
    return meanOf(weight.rows, async (input) => (await products.quantized([name], input))[0]);
  });
  const bias = products.bias(name);
  return Float32Array.from(missing, (value, row) => value + (bias ? bias[row] : 0));
}

/** Linears with the same method and options. */
function byChoice(linears: readonly { readonly quantize: ToQuantize["quantize"] | null }[]) {
  const groups = new Map<string, ToQuantize[]>();
  for (const each of linears as readonly ToQuantize[]) {
    const key = JSON.stringify(each.quantize.choice);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return groups.values();
}
