import path from "node:path";
import { makeFolder } from "../checkpoint/atomic.js";
import { hashFile } from "../checkpoint/file-hash.js";
import { readMatrix } from "../checkpoint/tensors.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { isStored } from "../recipe/schema.js";
import { relativeError } from "../schemes/relative-error.js";
import type { WeightOutline, WeightScheme } from "../schemes/scheme.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { describeWeight, numbersOf, outlineOf, sameOutline } from "../schemes/weights.js";
import type { Matrix } from "../tensor/matrix.js";
import { isFitted } from "./calibration-needs.js";
import { quantizerOf } from "./choices.js";
import type { PlannedLinear } from "./plan.js";
import type { OnProgress } from "./progress.js";
import {
  type QuantizedEntry,
  quantizedFolder,
  readSchemeFacts,
  schemeFile,
  writeScheme,
} from "./quantized-files.js";

export type ToQuantize = PlannedLinear & { readonly quantize: NonNullable<PlannedLinear["quantize"]> };

/**
 * Quantizes every planned linear whose method looks at weights alone and that has no finished file yet, one file a
 * linear. The next weight is read and the last file written while one is quantized, so at most three linears are in
 * memory. A linear that is taken as the checkpoint stores it is only unpacked.
 */
export async function quantizeLinears(
  run: string,
  checkpoint: DequantizedCheckpoint,
  planned: readonly PlannedLinear[],
  kernels: Kernels,
  onProgress: OnProgress,
): Promise<readonly QuantizedEntry[]> {
  const linears = planned.filter((each): each is ToQuantize => each.quantize !== null && !isFitted(each));
  const folder = quantizedFolder(run);
  await makeFolder(path.join(folder, "linears"));
  const entries = new Map<string, QuantizedEntry>();
  for (const each of linears) {
    const entry = await finishedEntry(folder, each);
    if (entry) entries.set(each.linear.name, entry);
  }

  const waiting = linears.filter(({ linear }) => !entries.has(linear.name));
  const readNext = (each: ToQuantize) => held(read(each, checkpoint, kernels));
  let next = waiting.length > 0 ? readNext(waiting[0]) : null;
  let writing: Held<void> = held(Promise.resolve());
  try {
    for (const [index, each] of waiting.entries()) {
      const done = linears.length - waiting.length + index;
      onProgress({ stage: "quantize", done, total: linears.length, what: each.linear.name });
      const source = await (next as Held<Source>)();
      next = index + 1 < waiting.length ? readNext(waiting[index + 1]) : null;
      const { scheme, error } = await make(each, source, kernels);
      await writing();
      writing = held(
        writeScheme(path.join(folder, schemeFile(each.linear.name)), scheme, error).then((written) => {
          entries.set(each.linear.name, { ...entryOf(each, outlineOf(scheme), error), ...written });
        }),
      );
    }
    await writing();
  } finally {
    await Promise.allSettled([next?.(), writing()]); // after a failure too nothing goes on behind the caller's back
  }
  onProgress({ stage: "quantize", done: linears.length, total: linears.length, what: "" });
  return linears.map(({ linear }) => entries.get(linear.name) as QuantizedEntry);
}

/** What a linear's scheme is made of: its float weight, or the scheme that the checkpoint holds. */
type Source = { readonly weight: Matrix } | { readonly stored: WeightScheme };

async function read(
  { linear, quantize }: ToQuantize,
  checkpoint: DequantizedCheckpoint,
  kernels: Kernels,
): Promise<Source> {
  if (!isStored(quantize.choice)) return { weight: await readMatrix(checkpoint, linear.tensor, kernels) };
  const stored = checkpoint.stored.get(linear.tensor);
  if (stored === undefined) throw new RangeError(`${linear.name} is not stored quantized`);
  return { stored: await stored.scheme() };
}

async function make(
  each: ToQuantize,
  source: Source,
  kernels: Kernels,
): Promise<{ scheme: WeightScheme; error: number }> {
  if ("stored" in source) return { scheme: source.stored, error: 0 };
  const scheme = await quantizeOne(each, source.weight, kernels);
  return { scheme, error: await relativeError(source.weight, scheme, kernels) };
}

/** @throws LuthierError when the method could not hold the weight. */
export async function quantizeOne(
  { linear, quantize }: Pick<ToQuantize, "linear" | "quantize">,
  weight: Matrix,
  kernels: Kernels,
): Promise<WeightScheme> {
  const { quantizer, options } = quantizerOf(quantize.choice);
  const scheme = await quantizer.quantize(weight, options, kernels);
  expectFinite(linear, scheme);
  return scheme;
}

/** @throws LuthierError when a number of the scheme is not finite: float16, or the method, could not hold the weight. */
export function expectFinite({ name, tensor }: PlannedLinear["linear"], scheme: WeightScheme): void {
  if (numbersOf(scheme).every((numbers) => numbers.every(Number.isFinite))) return;
  throw new LuthierError(
    `${name} (tensor ${tensor}), quantized as ${describeWeight(scheme)}, has a value that is not finite`,
    "keep this linear float: add a rule for it with `keep: float` before the one that matches it",
  );
}

/** The entry of a linear whose file an earlier process finished; null when there is none, or not of this outline. */
export async function finishedEntry(folder: string, each: ToQuantize): Promise<QuantizedEntry | null> {
  const file = path.join(folder, schemeFile(each.linear.name));
  try {
    const facts = await readSchemeFacts(file);
    const weight = asPlanned(each, facts.outline);
    if (weight === null || facts.hasBias !== (each.quantize.biasCorrection !== null)) return null;
    return { ...entryOf(each, weight, facts.relativeError), ...(await hashFile(file)) };
  } catch (error) {
    if (error instanceof LuthierError) return null; // missing or damaged: it is made again
    throw error;
  }
}

/** The planned outline that came out, as the plan states it but for the extents of parts; null when it is none of them. */
function asPlanned(
  { quantize: { weight, alternatives } }: ToQuantize,
  outline: WeightOutline,
): WeightOutline | null {
  const found = [weight, ...alternatives].find((planned) => sameOutline(planned, outline)) ?? null;
  return found?.scheme === "parts" ? outline : found;
}

export function entryOf(each: ToQuantize, outline: WeightOutline, relativeError: number) {
  const { name } = each.linear;
  const { activation, rotation, bias } = each.quantize;
  const weight = asPlanned(each, outline);
  if (weight === null) throw new RangeError(`${name} came out as ${describeWeight(outline)}`);
  const beside = { ...(rotation && { rotation }), ...(bias && { bias }) };
  return { name, file: schemeFile(name), weight, activation, relativeError, ...beside };
}

/** A result to be asked for later; a failure before that is kept, not reported as unhandled. */
type Held<T> = () => Promise<T>;

function held<T>(promise: Promise<T>): Held<T> {
  promise.catch(() => {});
  return () => promise;
}
