import type { TensorInfo } from "../checkpoint/safetensors.js";
import type { RowRange } from "../checkpoint/tensor-source.js";
import { rangeOf, readMatrix, readVector } from "../checkpoint/tensors.js";
import type { Kernels } from "../kernels/kernels.js";
import type { LinearInfo, ModelDescription } from "../model/architecture.js";
import { withoutHeadNorms } from "../model/architectures/llama-config.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { bytesOf } from "../tensor/tensor.js";

/** What stands for 1 / RMS of each head, by the name of the linear whose outputs the heads are. */
export type HeadScales = ReadonlyMap<string, Float32Array>;

/**
 * A checkpoint whose norms in blocks have weights of 1 and whose queries and keys have no norms. Linears are multiplied as
 * they are read, in float32: column k by the norm's weight, row n by its head's scale and the weight of the head's norm.
 *
 * @param scales of every linear with a norm of heads; while none of their weights are read they may be missing.
 * @throws LuthierError for a configuration that cannot be without norms of heads.
 */
export function foldedNorms(
  checkpoint: DequantizedCheckpoint,
  { blocks }: ModelDescription,
  scales: HeadScales,
  kernels: Pick<Kernels, "widen">,
): DequantizedCheckpoint {
  const linears = new Map(
    blocks.flat().flatMap((linear) => ((linear.norm ?? linear.headNorm) ? [[linear.tensor, linear]] : [])),
  );
  const norms = new Set([...linears.values()].flatMap(({ norm }) => norm ?? []));
  const tensors = new Map(checkpoint.tensors);
  for (const name of [...norms, ...linears.keys()])
    tensors.set(name, inFloat32(checkpoint.tensors.get(name)!));
  return {
    ...checkpoint,
    config: withoutHeadNorms(checkpoint.config),
    tensors,
    async read(name, rows) {
      const linear = linears.get(name);
      if (linear) return bytesOf(await folded(linear, checkpoint, scales, kernels, rows));
      if (!norms.has(name)) return checkpoint.read(name, rows);
      const { first, last } = rangeOf(tensors.get(name)!, name, rows);
      return bytesOf(new Float32Array(last - first).fill(1));
    },
  };
}

/** What is known of a tensor once it is read as float32. */
export function inFloat32(info: TensorInfo): TensorInfo {
  return { ...info, dtype: "F32", bytes: 4 * info.shape.reduce((product, length) => product * length, 1) };
}

async function folded(
  { name, tensor, rows, norm, headNorm }: LinearInfo,
  checkpoint: DequantizedCheckpoint,
  scales: HeadScales,
  kernels: Pick<Kernels, "widen">,
  range?: RowRange,
): Promise<Float32Array> {
  const { columns, data } = await readMatrix(checkpoint, tensor, kernels, range);
  if (norm !== null) {
    const weight = await readVector(checkpoint, norm, kernels);
    for (let i = 0; i < data.length; i++) data[i] *= weight[i % columns];
  }
  if (headNorm !== null) {
    const ofHeads = scales.get(name);
    if (ofHeads === undefined) throw new RangeError(`the heads of ${name} have no scales`);
    const weight = await readVector(checkpoint, headNorm, kernels);
    const first = range?.first ?? 0;
    for (let i = 0; i < data.length; i++) {
      const row = first + Math.floor(i / columns);
      data[i] *= Math.fround(
        ofHeads[Math.floor((row * ofHeads.length) / rows)] * weight[row % weight.length],
      );
    }
  }
  return data;
}
