import { readMatrix } from "../checkpoint/tensors.js";
import type { Kernels } from "../kernels/kernels.js";
import type { ModelDescription } from "../model/architecture.js";
import type { Ops } from "../model/ops.js";
import type { CalibrationInputs } from "../quantizers/calibrated-quantizer.js";
import { isStored, type TargetChoice } from "../recipe/schema.js";
import { relativeError } from "../schemes/relative-error.js";
import { keptOfInput, represent } from "../schemes/represent.js";
import type { ActivationScheme, WeightScheme } from "../schemes/scheme.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { outlineOf, weightTensors } from "../schemes/weights.js";
import { refusalOf } from "../targets/target.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { targetOf } from "./choices.js";
import { doubled, timingsOf, wholeSeconds } from "./extrapolate.js";
import { schemesOf } from "./fit-linears.js";
import { placeOf } from "./place.js";
import type { PlannedQuantization } from "./plan-linear.js";
import { quantizeOne, type ToQuantize } from "./quantize-stage.js";
import { randomInputs } from "./random-inputs.js";

/** What methods are timed on. */
export interface TimedModel {
  readonly checkpoint: DequantizedCheckpoint;
  readonly description: ModelDescription;
  readonly targets: readonly TargetChoice[];
  /** Of the calibration text. */
  readonly tokens: number;
  readonly seed: number;
  readonly kernels: Kernels;
  readonly ops: Ops;
}

/** Rows that are timed first: layouts of most targets take as many. */
const firstRows = 128;

/** Seconds of one linear that is quantized by its weights alone, and packed: timed on some of its rows. */
export async function timeByWeights(
  each: ToQuantize,
  model: TimedModel,
  budgetSeconds: number,
): Promise<number> {
  const { checkpoint, kernels } = model;
  const { rows, tensor } = each.linear;
  if (isStored(each.quantize.choice)) {
    const work = async () => weightTensors((await checkpoint.stored.get(tensor)?.scheme()) as WeightScheme);
    const timings = await timingsOf([1], "rows", budgetSeconds, async () => work);
    return wholeSeconds(timings, "rows");
  }
  const made: { scheme?: WeightScheme; share: number } = { share: 1 };
  const counts = doubled(Math.min(firstRows, rows), rows);
  const timings = await timingsOf(
    counts.map((count) => count / rows),
    "rows",
    budgetSeconds,
    async (share) => {
      const weight = await readMatrix(checkpoint, tensor, kernels, {
        first: 0,
        last: Math.round(share * rows),
      });
      return async () => {
        made.scheme = await quantizeOne(each, weight, kernels);
        made.share = share;
        await finish(weight, made.scheme, kernels);
      };
    },
  );
  const packed = made.scheme ? packSeconds([{ ...each, scheme: made.scheme }], model) / made.share : 0;
  return wholeSeconds(timings, "rows") + packed;
}

/** Seconds of linears of one input that are fitted together, and packed: timed on linears that are smaller in all their sides. */
export async function timeFitted(
  together: readonly ToQuantize[],
  model: TimedModel,
  budgetSeconds: number,
): Promise<number> {
  const { kernels, seed } = model;
  const [{ linear, quantize }] = together;
  const granule = granuleOf(quantize, linear.columns);
  const shares = doubled(granule, linear.columns).map((columns) => columns / linear.columns);
  const made: { schemes: readonly WeightScheme[]; share: number } = { schemes: [], share: 1 };
  const timings = await timingsOf(shares, "sides", budgetSeconds, async (share) => {
    const { some, weight, inputs } = await smaller(together, share, model);
    return async () => {
      const schemes = await schemesOf(some, inputs, { weight }, { seed, kernels });
      for (const [at, scheme] of schemes.entries()) {
        await finish(weight(some[at].linear.name), scheme, kernels);
        for (const x of inputs.quantized)
          await represent(x, measuredOnce(some[at].quantize), keptOfInput(scheme), kernels);
      }
      Object.assign(made, { schemes, share });
    };
  });
  const packed = packSeconds(
    together.map((each, at) => ({ ...each, scheme: made.schemes[at] })),
    model,
  );
  return wholeSeconds(timings, "sides") + packed / made.share ** 2;
}

/** How an input is represented, with any scale where one for everything is to be measured. */
function measuredOnce({ activation }: Pick<PlannedQuantization, "activation">): ActivationScheme {
  return "per" in activation && activation.per === "tensor" ? { ...activation, largest: 1 } : activation;
}

/** Linears that are smaller in both sides, cut out of these, on as large a share of the text. */
async function smaller(
  together: readonly ToQuantize[],
  share: number,
  { checkpoint, kernels, seed, tokens }: TimedModel,
) {
  const columns = Math.round(share * together[0].linear.columns);
  const some: ToQuantize[] = [];
  const weights = new Map<string, Matrix>();
  for (const { linear, ...each } of together) {
    const rows = Math.min(linear.rows, Math.max(leastRows, Math.round(share * linear.rows)));
    const whole = await readMatrix(checkpoint, linear.tensor, kernels, { first: 0, last: rows });
    some.push({ ...each, linear: { ...linear, rows, columns, attention: null } });
    weights.set(linear.name, firstColumns(whole, columns));
  }
  const quantized = randomInputs(Math.max(leastRows, Math.round(share * tokens)), columns, seed);
  const inputs: CalibrationInputs = {
    quantized,
    async *float() {
      yield* quantized;
    },
  };
  return { some, weight: (name: string) => weights.get(name) as Matrix, inputs };
}

/** Of a linear or of tokens, whatever the share. */
const leastRows = 32;

/** What is done with a scheme before it is written. */
async function finish(weight: Matrix, scheme: WeightScheme, kernels: Kernels): Promise<void> {
  await relativeError(weight, scheme, kernels);
  weightTensors(scheme);
}

/** For all targets; one that does not take such a slice of a linear is not in it. */
function packSeconds(
  made: readonly (ToQuantize & { readonly scheme: WeightScheme })[],
  { targets, description }: TimedModel,
): number {
  const started = performance.now();
  for (const { linear, quantize, scheme } of made) {
    const place = placeOf(linear, description, null);
    for (const choice of targets) {
      const { target, parameters } = targetOf(choice);
      const outline = { ...quantize, weight: outlineOf(scheme) };
      if (refusalOf(target, outline, parameters, place) === null)
        target.pack(scheme, parameters, place, quantize.activation);
    }
  }
  return (performance.now() - started) / 1000;
}

/** Columns that a slice must have whole: those of a group or block, of several parts the longest. */
function granuleOf({ weight }: Pick<PlannedQuantization, "weight">, columns: number): number {
  const parts = weight.scheme === "parts" ? weight.parts.map((part) => part.weight) : [weight];
  const groups = parts.flatMap((part) => ("group" in part && part.group < part.columns ? part.group : []));
  const granule = Math.max(fewestColumns, ...groups);
  return columns % granule === 0 ? granule : columns;
}

const fewestColumns = 64;

function firstColumns({ rows, columns, data }: Matrix, count: number): Matrix {
  const out = matrix(rows, count);
  for (let row = 0; row < rows; row++)
    out.data.set(data.subarray(row * columns, row * columns + count), row * count);
  return out;
}
