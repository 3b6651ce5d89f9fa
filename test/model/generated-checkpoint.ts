import type { TensorSource } from "../../src/checkpoint/tensor-source.js";
import { readMatrix, readVector } from "../../src/checkpoint/tensors.js";
import { openKernels } from "../../src/kernels/open.js";
import { linearsOf } from "../../src/model/architecture.js";
import type { Executor } from "../../src/model/executor.js";
import { openFloatExecutor } from "../../src/model/executors/float.js";
import { describeModel, type Model, openModel } from "../../src/model/model.js";
import type { Ops } from "../../src/model/ops.js";
import type { ModelParts } from "../../src/model/parts.js";

export type Shapes = Readonly<Record<string, readonly number[]>>;

export const kernels = openKernels();

/**
 * A checkpoint whose weights are computed from the tensors' names, as ../fixtures/generated_weights.py computes them.
 * `reads` gathers what is read: a tensor's name, with the rows if only some are.
 */
export function generatedSource(shapes: Shapes, reads: string[] = []): TensorSource {
  const bytesOf = (shape: readonly number[]) => 4 * shape.reduce((a, b) => a * b, 1);
  return {
    tensors: new Map(
      Object.entries(shapes).map(([name, shape]) => [
        name,
        { dtype: "F32", shape, file: "generated", begin: 0, bytes: bytesOf(shape) },
      ]),
    ),
    async read(name, rows) {
      const shape = shapes[name];
      const { first, last } = rows ?? { first: 0, last: shape[0] };
      reads.push(rows && last - first < shape[0] ? `${name} ${first}-${last}` : name);
      const rowSize = bytesOf(shape) / 4 / shape[0];
      return new Uint8Array(weights(name, shape.length, first * rowSize, last * rowSize).buffer);
    },
    async close() {},
  };
}

/** A model on a checkpoint; the float executor computes the blocks unless `changes` say otherwise. */
export function openGenerated(
  config: Readonly<Record<string, unknown>>,
  source: TensorSource,
  ops: Ops,
  changes: Partial<ModelParts> & { readonly wrap?: (executor: Executor) => Executor } = {},
): Model {
  const description = describeModel(config, (name) => source.tensors.get(name)?.shape);
  const float = openFloatExecutor(
    linearsOf(description),
    {
      weight: async (linear) => ({
        weight: await readMatrix(source, linear.tensor, kernels),
        keptOfInput: null,
      }),
      bias: async (linear) => (linear.bias ? readVector(source, linear.bias, kernels) : null),
      activation: () => ({ scheme: "float" }),
    },
    ops,
    kernels,
  );
  const { wrap = (executor) => executor, ...parts } = changes;
  const executor = wrap(float);
  return openModel({ config, description, source, executor, headInExecutor: false, ops, kernels, ...parts });
}

/** Weights of norms, which are vectors, take 1 + noise / 4, biases and embeddings noise, linears noise / 4. */
function weights(name: string, dimensions: number, first: number, last: number): Float32Array {
  const out = noise(hashOf(name), first, last);
  if (name.endsWith("bias") || (/emb|wte|wpe/.test(name) && dimensions === 2)) return out;
  return out.map(dimensions === 1 ? (value) => 1 + value / 4 : (value) => value / 4);
}

/** Multiples of 2^-15 in [-1, 1). */
function noise(seed: number, first: number, last: number): Float32Array {
  return Float32Array.from({ length: last - first }, (_, i) => bits(seed, first + i) / 32768 - 1);
}

/** 16 scrambled bits for an index. */
export function bits(seed: number, index: number): number {
  let x = (Math.imul(index, 0x9e3779b1) + seed) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x >>> 16;
}

/** FNV-1a. */
export function hashOf(name: string): number {
  let value = 2166136261;
  for (const byte of Buffer.from(name)) value = Math.imul(value ^ byte, 16777619);
  return value >>> 0;
}
