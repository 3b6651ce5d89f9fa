import type { Kernels } from "../kernels/kernels.js";
import type { Product } from "../pipeline/block-products.js";
import { schemesOf } from "../pipeline/fit-linears.js";
import { quantizeOne } from "../pipeline/quantize-stage.js";
import { routedInputs } from "../pipeline/routed-inputs.js";
import type { CalibrationInputs } from "../quantizers/calibrated-quantizer.js";
import { notFiniteOnText } from "../quantizers/finite-inputs.js";
import type { WeightScheme } from "../schemes/scheme.js";
import type { Matrix } from "../tensor/matrix.js";
import { type Candidate, isFittedToText, type SearchedLinear } from "./candidates.js";
import type { FloatBlock } from "./float-blocks.js";

/** A linear as one of its candidates makes it. */
export interface FittedCandidate {
  readonly searched: SearchedLinear;
  readonly candidate: Candidate;
  readonly scheme: WeightScheme;
}

/** The linears of one input that are to be quantized, each by some of its candidates. */
export type Wanted = readonly {
  readonly searched: SearchedLinear;
  readonly candidates: readonly Candidate[];
}[];

/**
 * Quantizes linears of one input by what is wanted of each, on the float model's inputs: what a candidate makes of a
 * linear does not depend on what is chosen for others.
 *
 * @param inputs `[tokens, K]` a batch.
 */
export async function* fitCandidates(
  block: FloatBlock,
  wanted: Wanted,
  inputs: readonly Matrix[],
  { seed, kernels }: { readonly seed: number; readonly kernels: Kernels },
): AsyncGenerator<FittedCandidate> {
  for (const [searched, candidate] of pairs(wanted)) {
    if (isFittedToText(candidate)) continue;
    const weight = block.weight(searched.linear.name);
    const scheme = await quantizeOne(toQuantize({ searched, candidate }), weight, kernels);
    yield { searched, candidate, scheme };
  }
  for (const together of fittedTogether(wanted)) {
    const isRouted = together.some(({ searched }) => searched.linear.isRouted);
    const calibration = isRouted ? routedInputs({ quantized: inputs }) : onItself(inputs);
    const schemes = await schemesOf(together.map(toQuantize), calibration, block, { seed, kernels });
    for (const [at, each] of together.entries()) yield { ...each, scheme: schemes[at] };
  }
}

/** `‖X(Ŵ − W)ᵀ‖² / ‖XWᵀ‖²` over batches of inputs; of inputs as the candidate represents them. */
export async function outputError(
  outputs: readonly Matrix[],
  product: Product,
  inputs: readonly Matrix[],
  linear: string,
): Promise<number> {
  let [error, norm] = [0, 0];
  for (const [batch, { data: expected }] of outputs.entries()) {
    const { data } = await product(inputs[batch]);
    for (let i = 0; i < data.length; i++) {
      error += (data[i] - expected[i]) ** 2;
      norm += expected[i] ** 2;
    }
  }
  if (!Number.isFinite(error) || !Number.isFinite(norm)) {
    throw notFiniteOnText(`the outputs of ${linear} are not finite`);
  }
  return error === 0 ? 0 : error / norm;
}

/** The float model's own inputs, as nothing before them is quantized. */
function onItself(inputs: readonly Matrix[]): CalibrationInputs {
  return {
    quantized: inputs,
    async *float() {
      yield* inputs;
    },
  };
}

function toQuantize({ searched: { linear }, candidate: { planned } }: Omit<FittedCandidate, "scheme">) {
  return { linear, quantize: planned };
}

function pairs(wanted: Wanted) {
  return wanted.flatMap(({ searched, candidates }) =>
    candidates.map((candidate) => [searched, candidate] as const),
  );
}

/** Linears with the same method and options, as a run quantizes them. */
function fittedTogether(wanted: Wanted) {
  const groups = new Map<string, { searched: SearchedLinear; candidate: Candidate }[]>();
  for (const [searched, candidate] of pairs(wanted)) {
    if (!isFittedToText(candidate)) continue;
    groups.set(candidate.key, [...(groups.get(candidate.key) ?? []), { searched, candidate }]);
  }
  return groups.values();
}
