import { readMatrix } from "../checkpoint/tensors.js";
import type { Kernels } from "../kernels/kernels.js";
import type { LinearInfo, ScalableInput } from "../model/architecture.js";
import type { QuantizeChoice, TransformChoice } from "../recipe/schema.js";
import { dequantize } from "../schemes/weights.js";
import type { Matrix } from "../tensor/matrix.js";
import { scaledTensors } from "../transforms/scaled-tensors.js";
import type { LinearToScale, ScaleTransform } from "../transforms/transform.js";
import type { Plan } from "./plan.js";
import { describeCheckpoint } from "./plan-checkpoint.js";
import { deleteSchemes } from "./quantized-files.js";
import { readScales, type StoredScales, writeScales } from "./scales-file.js";
import { searchedWith } from "./searched-with.js";
import { measureInputs } from "./statistics-stage.js";
import type { TransformedCheckpoint, TransformOptions } from "./transform-stage.js";

/**
 * Scales the inputs that quantized linears read, input by input; what an earlier process found is taken where it is sound.
 * All are fitted to the checkpoint as it comes, not to one whose inputs before are scaled already.
 */
export async function scaleChannels(
  transform: ScaleTransform,
  { transform: _, ...chosen }: TransformChoice,
  options: TransformOptions,
): Promise<TransformedCheckpoint> {
  const { run, checkpoint, plan, kernels } = options;
  const { scalable } = describeCheckpoint(checkpoint);
  const inputs = scalable.filter((input) => hasQuantized(input, plan) && transform.takes(input, chosen));
  const found = new Map<ScalableInput, StoredScales>();
  for (const input of inputs) {
    const stored = await readScales(run, transform.name, input);
    if (stored) found.set(input, stored);
  }
  const missing = inputs.filter((input) => !found.has(input));
  if (missing.length > 0) {
    await deleteSchemes(run);
    const linears = missing.map((input) => input.linears[0].name);
    const statistics = await measureInputs(options, { linears, second: transform.searches });
    for (const [done, input] of missing.entries()) {
      const [{ name }] = input.linears;
      options.onProgress({ stage: transform.name, done, total: missing.length, what: name });
      const toScale = {
        input,
        statistics: await statistics.of(name),
        linears: await linearsToScale(input, options),
      };
      const scales = await transform.fit(toScale, chosen, kernels);
      found.set(input, await writeScales(run, transform.name, input, scales));
    }
    options.onProgress({ stage: transform.name, done: missing.length, total: missing.length, what: "" });
  }
  const stored = inputs.map((input) => ({ input, ...(found.get(input) as StoredScales) }));
  const scales = new Map(stored.map(({ input, scales: ofInput }) => [input.linears[0].name, ofInput]));
  return {
    checkpoint: scaledTensors(checkpoint, scalable, scales, kernels),
    files: stored.map(({ file }) => file),
  };
}

function choiceOf(linear: LinearInfo, { linears }: Plan): QuantizeChoice | null {
  return linears.find((planned) => planned.linear.name === linear.name)?.quantize?.choice ?? null;
}

function hasQuantized({ linears }: ScalableInput, plan: Plan): boolean {
  return linears.some((linear) => choiceOf(linear, plan) !== null);
}

async function linearsToScale(
  { linears }: ScalableInput,
  { checkpoint, plan, kernels }: TransformOptions,
): Promise<readonly LinearToScale[]> {
  const read: LinearToScale[] = [];
  for (const linear of linears) {
    const choice = choiceOf(linear, plan);
    const weight = await readMatrix(checkpoint, linear.tensor, kernels);
    read.push({ name: linear.name, weight, approximate: choice && approximationBy(choice, kernels) });
  }
  return read;
}

export function approximationBy(
  choice: QuantizeChoice,
  kernels: Kernels,
): ((weight: Matrix) => Promise<Matrix>) | null {
  const found = searchedWith(choice);
  if (found === null) return null;
  const { quantizer, options } = found;
  return async (weight) => dequantize(await quantizer.quantize(weight, options, kernels));
}
