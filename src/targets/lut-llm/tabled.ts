import { describeActivation } from "../../schemes/activation.js";
import type { ActivationScheme, WeightOutline } from "../../schemes/scheme.js";
import {
  type Products,
  positionsOf,
  type TableOutline,
  type VectorsOutline,
  type VectorsScheme,
} from "../../schemes/vectors.js";
import type { Refusal } from "../target.js";
import { inputCentroids, lanes, sumBits, vector, weightCentroids } from "./layout.js";

/** The weights that this target takes: vectors whose products with the input's centroids are a table. */
export interface TabledOutline extends VectorsOutline {
  readonly inputs: number;
  readonly table: TableOutline;
}

export interface TabledScheme extends VectorsScheme {
  readonly inputs: number;
  readonly table: TableOutline;
  readonly inputCodebooks: Float32Array;
  readonly products: Products;
}

/** The linear's outline as this target takes it, or why it does not. */
export function tabledOutline(weight: WeightOutline, activation: ActivationScheme): TabledOutline | Refusal {
  if (weight.scheme !== "vectors") {
    return {
      reason: `its weights are ${weight.scheme}, this target takes vectors with a table`,
      fix: "quantize it with `co-quantization`",
    };
  }
  const { columns, inputs, table } = weight;
  if (inputs === undefined || table === undefined) {
    return {
      reason: `it has ${inputs === undefined ? "no centroids of its input" : "no table"}, this target takes vectors with a table of their products with the input's centroids`,
      fix: "let `co-quantization` make the table, or keep these linears float",
    };
  }
  const asked = { vector, inputs: inputCentroids, centroids: weightCentroids };
  const found = { vector: weight.vector, inputs, centroids: weight.centroids };
  if (`${Object.values(found)}` !== `${Object.values(asked)}`) {
    return {
      reason: `${described(found)}; this target takes ${described(asked)}`,
      fix: "leave these at the defaults of `co-quantization`",
    };
  }
  if (columns % (vector * lanes) !== 0) {
    return {
      reason: `its ${columns} inputs are no multiple of ${vector * lanes}: ${lanes} lanes of positions of ${vector}`,
      fix: "keep these linears float, and choose another target for the model",
    };
  }
  const largestSum = (columns / vector) * (2 ** table.bits - 1);
  const { accumulator } = sumBits[table.bits];
  if (largestSum >= 2 ** accumulator) {
    return {
      reason: `its ${columns} inputs add up to ${largestSum}, more than ${accumulator} bits of an accumulator hold`,
      fix: "keep these linears float, and choose another target for the model",
    };
  }
  const isOwn =
    activation.scheme === "centroids" &&
    activation.vector === vector &&
    activation.centroids === inputCentroids;
  if (!isOwn && activation.scheme !== "float") {
    return {
      reason: `its activations are ${describeActivation(activation)}, this target searches the centroids that the weight has`,
      fix: "drop `activation` from the rule",
    };
  }
  return { ...weight, inputs, table };
}

function described({
  vector: v,
  inputs,
  centroids,
}: Record<"vector" | "inputs" | "centroids", number>): string {
  return `vectors of ${v}, ${inputs} centroids of the input, ${centroids} of the weights`;
}

/** What no table product can be made of: null when all numbers are finite and every output will be. */
export function unsoundNumber(weight: TabledScheme): string | null {
  const { inputCodebooks, products, table } = weight;
  if (!inputCodebooks.every(Number.isFinite)) return "a centroid of the input is not finite";
  const mostSum = positionsOf(weight) * (2 ** table.bits - 1);
  for (const [i, scale] of products.scales.entries()) {
    const largest = Math.fround(Math.abs(Math.fround(mostSum * scale)) + Math.abs(products.biases[i]));
    if (!Number.isFinite(largest))
      return `scale ${scale} and bias ${products.biases[i]} give no finite outputs`;
  }
  return null;
}
