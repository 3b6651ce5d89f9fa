import type { RowRange } from "../checkpoint/tensor-source.js";
import { rangeOf, readMatrix, readVector } from "../checkpoint/tensors.js";
import type { Kernels } from "../kernels/kernels.js";
import type { ScalableInput } from "../model/architecture.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { bytesOf } from "../tensor/tensor.js";
import { inFloat32 } from "./folded-norms.js";

/** What the weights of an input's channels are multiplied by, `[K]`, by the name of the first linear that reads it. */
export type ChannelScales = ReadonlyMap<string, Float32Array>;

/**
 * A checkpoint whose inputs are divided by scales where they are made, and whose weights are multiplied where these are read:
 * as they are read, in float32. It computes the same but for roundings.
 *
 * @param scales of some inputs; all others stay as they are.
 */
export function scaledTensors(
  checkpoint: DequantizedCheckpoint,
  inputs: readonly ScalableInput[],
  scales: ChannelScales,
  kernels: Pick<Kernels, "widen">,
): DequantizedCheckpoint {
  const factors = factorsOf(checkpoint, inputs, scales);
  const tensors = new Map(checkpoint.tensors);
  for (const name of factors.keys()) tensors.set(name, inFloat32(checkpoint.tensors.get(name)!));
  return {
    ...checkpoint,
    tensors,
    async read(name, range) {
      const found = factors.get(name);
      if (found === undefined) return checkpoint.read(name, range);
      return bytesOf(await scaled(checkpoint, name, found, kernels, range));
    },
  };
}

/** What a tensor's rows are divided by and its columns multiplied by; what is not set stays. */
interface Factors {
  rows?: Float32Array;
  columns?: Float32Array;
}

function factorsOf(
  { tensors }: DequantizedCheckpoint,
  inputs: readonly ScalableInput[],
  scales: ChannelScales,
): ReadonlyMap<string, Factors> {
  const all = new Map<string, Factors>();
  const of = (tensor: string) => {
    const found = all.get(tensor) ?? {};
    all.set(tensor, found);
    return found;
  };
  for (const { linears, runs } of inputs) {
    const ofInput = scales.get(linears[0].name);
    if (ofInput === undefined) continue;
    for (const { tensor } of linears) of(tensor).columns = ofInput;
    for (const { size, makers, firsts } of runs) {
      const ofRun = ofInput.subarray(firsts[0], firsts[0] + size);
      for (const { tensor, first } of makers) {
        const factors = of(tensor);
        factors.rows ??= new Float32Array(tensors.get(tensor)!.shape[0]).fill(1);
        factors.rows.set(ofRun, first);
      }
    }
  }
  return all;
}

async function scaled(
  checkpoint: DequantizedCheckpoint,
  name: string,
  { rows, columns }: Factors,
  kernels: Pick<Kernels, "widen">,
  range?: RowRange,
): Promise<Float32Array> {
  const info = checkpoint.tensors.get(name)!;
  const { first, last } = rangeOf(info, name, range);
  const data =
    info.shape.length === 1
      ? (await readVector(checkpoint, name, kernels)).slice(first, last)
      : (await readMatrix(checkpoint, name, kernels, range)).data;
  const width = info.shape[1] ?? 1;
  for (let row = first, at = 0; row < last; row++) {
    for (let column = 0; column < width; column++, at++) {
      if (columns) data[at] *= columns[column];
      if (rows) data[at] /= rows[row];
    }
  }
  return data;
}
