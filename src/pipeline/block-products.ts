import path from "node:path";
import { readMatrix, readVector } from "../checkpoint/tensors.js";
import type { Kernels } from "../kernels/kernels.js";
import type { LinearInfo } from "../model/architecture.js";
import type { Ops } from "../model/ops.js";
import { keptOfInput, represent } from "../schemes/represent.js";
import type { ActivationScheme, WeightScheme } from "../schemes/scheme.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { tableOf } from "../schemes/vectors.js";
import { dequantize } from "../schemes/weights.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { readsText } from "./calibration-needs.js";
import type { PlannedLinear } from "./plan.js";
import { quantizedFolder, readStatedScheme, schemeFile } from "./quantized-files.js";

/** Computes several linears of one input `[tokens, K]`, bias included. */
export type Products = (linears: readonly string[], input: Matrix) => Promise<readonly Matrix[]>;

/** The linears of one block, as the float model computes them and as the quantized one does. */
export interface BlockProducts {
  readonly float: Products;
  /** Knows a linear of which something is fitted to calibration text after `add`. */
  readonly quantized: Products;
  /** @param bias `[N]`; null for none. */
  add(
    linear: string,
    scheme: WeightScheme,
    activation: ActivationScheme,
    bias: Float32Array | null,
  ): Promise<void>;
  /** A linear of the checkpoint, `[N, K]`. */
  weight(linear: string): Matrix;
  /** Its bias `[N]`, if it has one. */
  bias(linear: string): Float32Array | null;
}

export interface BlockProductsOptions {
  readonly run: string;
  readonly checkpoint: DequantizedCheckpoint;
  readonly planned: readonly PlannedLinear[];
  readonly kernels: Kernels;
}

/** Loads the weights of a block's linears, and of those with nothing fitted to calibration text their schemes. */
export async function openBlockProducts(
  { run, checkpoint, planned, kernels }: BlockProductsOptions,
  linears: readonly LinearInfo[],
  ops: Ops,
): Promise<BlockProducts> {
  const plans = new Map(planned.map((each) => [each.linear.name, each]));
  const weights = new Map<string, Matrix>();
  const biases = new Map<string, Float32Array | null>();
  const quantized = new Map<string, Product>();
  const add: BlockProducts["add"] = async (name, scheme, activation, bias) => {
    quantized.set(name, await openProduct(scheme, activation, bias, ops, kernels));
  };
  for (const { name, tensor, bias } of linears) {
    weights.set(name, await readMatrix(checkpoint, tensor, kernels));
    const own = bias === null ? null : await readVector(checkpoint, bias, kernels);
    biases.set(name, own);
    const plan = plans.get(name);
    if (!plan?.quantize) quantized.set(name, (input) => float(name, input));
    else if (!readsText(plan)) {
      const file = path.join(quantizedFolder(run), schemeFile(name));
      await add(name, await readStatedScheme(file), plan.quantize.activation, own);
    }
  }
  const weight = (name: string) => known(weights, name);
  const bias = (name: string) => known(biases, name);
  const float = (name: string, input: Matrix) => ops.linear(input, weight(name), bias(name));
  return {
    float: (names, input) => inTurn(names, (name) => float(name, input)),
    quantized: (names, input) => inTurn(names, (name) => known(quantized, name)(input)),
    add,
    weight,
    bias,
  };
}

/** Computes one linear, bias included. */
export type Product = (input: Matrix) => Promise<Matrix>;

/**
 * The product of a scheme: by its table where it has one, else of the weight that it stands for. Of no tokens, as an expert
 * may have them, it gives none.
 */
export async function openProduct(
  scheme: WeightScheme,
  activation: ActivationScheme,
  bias: Float32Array | null,
  ops: Ops,
  kernels: Kernels,
): Promise<Product> {
  const product = await productOfTokens(scheme, activation, bias, ops, kernels);
  return async (input) => (input.rows === 0 ? matrix(0, scheme.rows) : product(input));
}

async function productOfTokens(
  scheme: WeightScheme,
  activation: ActivationScheme,
  bias: Float32Array | null,
  ops: Ops,
  kernels: Kernels,
): Promise<Product> {
  const table = scheme.scheme === "vectors" ? tableOf(scheme) : null;
  if (table) {
    return async (input) => {
      const output = await kernels.tableProduct(input, table);
      if (bias) for (let i = 0; i < output.data.length; i++) output.data[i] += bias[i % bias.length];
      return output;
    };
  }
  const kept = keptOfInput(scheme);
  const weight = dequantize(scheme);
  return async (input) => ops.linear(await represent(input, activation, kept, kernels), weight, bias);
}

async function inTurn(
  names: readonly string[],
  product: (name: string) => Promise<Matrix>,
): Promise<readonly Matrix[]> {
  const outputs: Matrix[] = [];
  for (const name of names) outputs.push(await product(name));
  return outputs;
}

function known<T>(map: ReadonlyMap<string, T>, name: string): T {
  const found = map.get(name);
  if (found === undefined) throw new RangeError(`${name} is not known yet`);
  return found;
}
