import type { GgufTensor } from "../../checkpoint/gguf.js";
import type { GgmlType } from "../../checkpoint/gguf-header.js";
import type { TensorSource } from "../../checkpoint/tensor-source.js";
import { readMatrix, readVector } from "../../checkpoint/tensors.js";
import { openKernels } from "../../kernels/open.js";
import { causalHead, type ModelDescription } from "../../model/architecture.js";
import { llama } from "../../model/architectures/llama.js";
import type { GridOutline } from "../../schemes/scheme.js";
import { bytesOf } from "../../tensor/tensor.js";
import type { LinearToWrite, ModelToWrite } from "../container.js";
import type { PackedGrid } from "../target.js";
import type { Hyperparameters } from "./hyperparameters.js";
import type { Carrier } from "./layout.js";
import { ggufNameOf, type PairedHeads, pairedHeadsOf, pairRows } from "./tensor-names.js";

/** A linear with the block type that it goes into. */
export interface CarriedLinear {
  readonly linear: LinearToWrite<GridOutline>;
  readonly carrier: Carrier;
}

/**
 * Every tensor of the file in the order of the model; the bytes of each are made when they are written.
 * @param onPacked is told of each linear when it has been packed.
 */
export function modelTensors(
  { config, kept, linears }: ModelToWrite<GridOutline>,
  { pairedHeads, frequencyFactors }: Hyperparameters,
  carried: readonly CarriedLinear[],
  onPacked: (linear: LinearToWrite<GridOutline>, packed: PackedGrid) => void,
): readonly GgufTensor[] {
  const quantized = new Map(carried.map((each) => [`${each.linear.name}.weight`, each]));
  const description = llama.describe(config, (name) => {
    const weight = linears.find((linear) => `${linear.name}.weight` === name)?.weight;
    return kept.tensors.get(name)?.shape ?? (weight && [weight.rows, weight.columns]);
  });
  const tensors = namesOf(description, quantized.has("lm_head.weight")).map((name) => {
    const found = quantized.get(name);
    return found ? packedTensor(found, pairedHeads, onPacked) : keptTensor(name, kept, pairedHeads);
  });
  if (frequencyFactors === null) return tensors;
  const name = "rope_freqs.weight";
  return [...tensors, tensor(name, "F32", [frequencyFactors.length], async () => bytesOf(frequencyFactors))];
}

/** By the names of the checkpoint: embedding, blocks, final norm, and the head unless it is the embedding. */
function namesOf(description: ModelDescription, ownHead: boolean): readonly string[] {
  const { blocks, embedding, floatTensors } = description;
  const inBlocks = blocks.flatMap((block, index) => [
    ...block.map(({ tensor: weight }) => weight),
    ...floatTensors.filter((name) => name.startsWith(`model.layers.${index}.`)),
  ]);
  const outside = floatTensors.filter((name) => name !== embedding && !name.startsWith("model.layers."));
  return [
    embedding,
    ...inBlocks,
    ...outside,
    ...(causalHead(description).tensor === embedding && !ownHead ? [] : ["lm_head.weight"]),
  ];
}

function packedTensor(
  { linear, carrier }: CarriedLinear,
  heads: PairedHeads | null,
  onPacked: (linear: LinearToWrite<GridOutline>, packed: PackedGrid) => void,
): GgufTensor {
  const { rows, columns } = linear.weight;
  return tensor(ggufNameOf(`${linear.name}.weight`), carrier.type.ggml, [rows, columns], async () => {
    const packed = await linear.pack();
    onPacked(linear, packed);
    return pairRows(packed.tensors.blocks.bytes, rows, pairedHeadsOf(linear.name, heads));
  });
}

/** Of a kept matrix so many weights are in memory at a time. */
const pieceWeights = 2 ** 22;

/**
 * Vectors in F32, as ggml adds and scales by them; matrices in the dtype of the checkpoint where ggml has it, those in
 * FP8 as the F32 values that they stand for.
 */
function keptTensor(name: string, kept: TensorSource, heads: PairedHeads | null): GgufTensor {
  const info = kept.tensors.get(name);
  if (info === undefined) throw new RangeError(`no tensor ${name}`);
  const { shape, dtype } = info;
  const kernels = openKernels({ path: "reference" });
  const paired = pairedHeadsOf(name, heads);
  if (shape.length === 1) {
    const read = async () => pairRows(bytesOf(await readVector(kept, name, kernels)), shape[0], paired);
    return tensor(ggufNameOf(name), "F32", shape, read);
  }
  const [rows, columns] = shape;
  // A matrix with pairs of rows is one of attention, small enough to be moved whole.
  const step = paired ? rows : Math.max(1, Math.floor(pieceWeights / columns));
  const asIs = dtype === "F32" || dtype === "F16" || dtype === "BF16";
  return {
    name: ggufNameOf(name),
    type: asIs ? dtype : "F32",
    shape,
    async *chunks() {
      for (let first = 0; first < rows; first += step) {
        const part = { first, last: Math.min(first + step, rows) };
        const bytes = asIs
          ? await kept.read(name, part)
          : bytesOf((await readMatrix(kept, name, kernels, part)).data);
        yield pairRows(bytes, part.last - first, paired);
      }
    },
  };
}

function tensor(
  name: string,
  type: GgmlType,
  shape: readonly number[],
  read: () => Promise<Uint8Array>,
): GgufTensor {
  return {
    name,
    type,
    shape,
    async *chunks() {
      yield await read();
    },
  };
}
