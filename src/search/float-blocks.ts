import { readMatrix, readVector, rememberedTensors } from "../checkpoint/tensors.js";
import { type Distance, distances } from "../evaluation/divergence.js";
import type { Kernels } from "../kernels/kernels.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import { findArchitecture } from "../model/architectures/registry.js";
import type { Batch } from "../model/batches.js";
import { embed } from "../model/embedding.js";
import type { BeforeHead } from "../model/head.js";
import { openOps } from "../model/ops.js";
import type { ModelParts } from "../model/parts.js";
import { type SteppedBlock, stepThrough } from "../model/stepping.js";
import { openProduct, type Product } from "../pipeline/block-products.js";
import type { ActivationScheme, WeightScheme } from "../schemes/scheme.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import type { Matrix } from "../tensor/matrix.js";

/** Linears of a block that are computed otherwise than the float model does. */
export type Replaced = ReadonlyMap<string, Product>;

/** A float model that is computed a block at a time, as often as one wants, with some of its linears replaced. */
export interface FloatBlocks {
  readonly description: ModelDescription;
  embed(batches: readonly Batch[]): Promise<readonly Matrix[]>;
  /** Loads a block's linears; those of the block entered before are let go. */
  enter(index: number): Promise<FloatBlock>;
  /** What follows the last block, before the head. */
  beforeHead(hidden: readonly Matrix[]): Promise<BeforeHead>;
  /** Of each model, given by its states before the head, how far it is from the reference. */
  distances(reference: BeforeHead, compared: readonly BeforeHead[]): Promise<readonly Distance[]>;
  close(): Promise<void>;
}

export interface FloatBlock {
  readonly linears: readonly LinearInfo[];
  /** `[N, K]`. */
  weight(linear: string): Matrix;
  /** Computes it on one batch. */
  compute(hidden: Matrix, length: number, replaced?: Replaced): Promise<Matrix>;
  /** Computes it on one batch up to its first linears. */
  step(hidden: Matrix, length: number): Promise<SteppedBlock>;
  /** The float model's products of some linears of one input, bias included. */
  products(linears: readonly string[], input: Matrix): Promise<readonly Matrix[]>;
  /** A linear's product by a scheme, bias included. */
  product(linear: string, scheme: WeightScheme, activation: ActivationScheme): Promise<Product>;
}

/** @param checkpoint is not closed by it. */
export function openFloatBlocks(
  checkpoint: DequantizedCheckpoint,
  description: ModelDescription,
  kernels: Kernels,
): FloatBlocks {
  const { config } = checkpoint;
  const architecture = findArchitecture(config);
  const ops = openOps({ threads: kernels.threads });
  let tensors = rememberedTensors(checkpoint, kernels);
  const noExecutor = {
    enter: async () => {},
    run: () => Promise.reject(new RangeError("no block is entered")),
  };
  const parts: ModelParts = {
    ...{ config, description, source: checkpoint, executor: noExecutor, ops, kernels },
    headInExecutor: false,
  };

  return {
    description,
    async embed(batches) {
      const hidden: Matrix[] = [];
      for (const batch of batches) hidden.push(await embed(batch, parts));
      return hidden;
    },
    async enter(index) {
      tensors = rememberedTensors(checkpoint, kernels); // those of the block before are let go
      const linears = description.blocks[index];
      const loaded = new Map<string, { readonly weight: Matrix; readonly bias: Float32Array | null }>();
      for (const { name, tensor, bias } of linears) {
        const weight = await readMatrix(checkpoint, tensor, kernels);
        loaded.set(name, {
          weight,
          bias: bias === null ? null : await readVector(checkpoint, bias, kernels),
        });
      }
      const of = (name: string) => {
        const found = loaded.get(name);
        if (found === undefined) throw new RangeError(`${name} is not of block ${index}`);
        return found;
      };
      const run = async (names: readonly string[], input: Matrix, replaced?: Replaced) => {
        const outputs: Matrix[] = [];
        for (const name of names) {
          const { weight, bias } = of(name);
          outputs.push(await (replaced?.get(name)?.(input) ?? ops.linear(input, weight, bias)));
        }
        return outputs;
      };
      const open = (executor: Pick<ModelParts["executor"], "run">) =>
        architecture.openBlock(index, { config, executor, ops, ...tensors });
      return {
        linears,
        weight: (name) => of(name).weight,
        async compute(hidden, length, replaced) {
          const block = await open({ run: (names, input) => run(names, input, replaced) });
          return block(hidden, length);
        },
        step: (hidden, length) => stepThrough(open, hidden, length),
        products: run,
        product: (name, scheme, activation) => openProduct(scheme, activation, of(name).bias, ops, kernels),
      };
    },
    async beforeHead(hidden) {
      const context = { config, executor: noExecutor, ops, ...tensors };
      const normed: Matrix[] = [];
      for (const states of hidden) normed.push(await architecture.finalNorm(states, context));
      return { hidden: normed, parts };
    },
    distances: (reference, compared) =>
      distances(
        reference,
        compared.map(({ hidden }) => hidden),
        parts,
      ),
    close: () => ops.close(),
  };
}
