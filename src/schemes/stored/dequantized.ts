import path from "node:path";
import { type Checkpoint, openCheckpoint } from "../../checkpoint/checkpoint.js";
import { configFile } from "../../checkpoint/checkpoint-files.js";
import type { TensorInfo } from "../../checkpoint/safetensors.js";
import type { TensorSource } from "../../checkpoint/tensor-source.js";
import { rangeOf } from "../../checkpoint/tensors.js";
import { LuthierError } from "../../error.js";
import { bytesOf } from "../../tensor/tensor.js";
import type { Rotation } from "../rotation.js";
import { awq } from "./awq.js";
import { bitnet } from "./bitnet.js";
import { compressedTensors } from "./compressed-tensors.js";
import type { StoredFormat } from "./format.js";
import { gptq } from "./gptq.js";
import type { FloatRows, StoredLinear } from "./stored-linear.js";

/** Every format of quantized checkpoints that is read; a new one adds its file and a line here. */
const formats: readonly StoredFormat[] = [gptq, awq, compressedTensors, bitnet];

/** A checkpoint whose weights all can be read as floats: those that it holds quantized are dequantized then. */
export interface DequantizedCheckpoint extends Checkpoint {
  /** The linears that it holds quantized, by the tensor of their weight; empty for a plain checkpoint. */
  readonly stored: ReadonlyMap<string, StoredLinear>;
  /** The tensors as they lie in the files. */
  readonly tensorsInFiles: Checkpoint["tensors"];
  /** Of the inputs of linears, by the linear's name: weights that a transform has rotated are computed with them. */
  readonly rotations?: ReadonlyMap<string, Rotation>;
}

/**
 * Opens a checkpoint, plain or quantized. `<linear>.weight` of a quantized linear is a tensor of F32 `[N, K]`; the
 * tensors that it is made of are not listed.
 *
 * @throws LuthierError as `openCheckpoint`; when the weights are quantized by a method or in a variant that is not read.
 */
export async function openDequantized(directory: string): Promise<DequantizedCheckpoint> {
  const checkpoint = await openCheckpoint(directory);
  try {
    const stored = await storedLinears(checkpoint);
    const tensorsInFiles = checkpoint.tensors;
    return { ...checkpoint, ...dequantizedSource(checkpoint, stored), stored, tensorsInFiles };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

async function storedLinears(checkpoint: Checkpoint): Promise<ReadonlyMap<string, StoredLinear>> {
  const { quantization } = checkpoint;
  const file = path.join(checkpoint.directory, configFile);
  if (quantization === null) {
    const codes = [...checkpoint.tensors.keys()].find((name) => /\.(qweight|weight_packed)$/.test(name));
    if (codes === undefined) return new Map();
    throw new LuthierError(
      `tensor ${codes} holds packed codes, but ${file} has no quantization_config`,
      "add one: for GPTQ the content of quantize_config.json with quant_method gptq",
    );
  }
  const format = formats.find(({ method }) => method === quantization.quant_method);
  if (format !== undefined) {
    const linears = await format.open(checkpoint, quantization, file);
    return new Map([...linears].map(([name, linear]) => [`${name}.weight`, linear]));
  }
  throw new LuthierError(
    `the checkpoint is already quantized: quantization_config in ${file} has the quant_method ${JSON.stringify(quantization.quant_method)}`,
    `Take the original checkpoint in BF16, FP16, FP32 or FP8, or one quantized by ${formats.map(({ method }) => method).join(", ")}.`,
  );
}

/** The tensors of a checkpoint, with quantized linears as floats. Of the linear read last the codes stay in memory. */
function dequantizedSource(
  source: TensorSource,
  stored: ReadonlyMap<string, StoredLinear>,
): Pick<TensorSource, "tensors" | "read"> {
  const hidden = new Set([...stored.values()].flatMap((linear) => linear.tensors));
  const plain = [...source.tensors].filter(([name]) => !hidden.has(name));
  const made = [...stored].map(([name, linear]) => [name, infoOf(linear, source)] as const);
  const tensors = new Map([...plain, ...made]);
  let last: { readonly name: string; readonly weights: Promise<FloatRows> } | null = null;
  return {
    tensors,
    async read(name, rows) {
      const linear = stored.get(name);
      if (linear === undefined) return source.read(name, rows);
      const range = rangeOf(tensors.get(name)!, name, rows);
      if (last?.name !== name) last = { name, weights: linear.weights() };
      const { data } = (await last.weights)(range);
      return bytesOf(data);
    },
  };
}

function infoOf({ rows, columns, tensors }: StoredLinear, source: TensorSource): TensorInfo {
  const bytes = rows * columns * 4;
  const file = source.tensors.get(tensors[0])?.file ?? "";
  if (Number.isSafeInteger(bytes)) return { dtype: "F32", shape: [rows, columns], file, begin: 0, bytes };
  throw new LuthierError(
    `${tensors[0]} has more weights than can be counted`,
    "the checkpoint is damaged: fetch it again",
  );
}
