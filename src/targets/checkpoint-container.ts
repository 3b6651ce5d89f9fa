import { readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { writeAtomically } from "../checkpoint/atomic.js";
import { openCheckpoint } from "../checkpoint/checkpoint.js";
import { companionFiles, configFile } from "../checkpoint/checkpoint-files.js";
import type { NamedTensor } from "../checkpoint/safetensors.js";
import type { TensorSource } from "../checkpoint/tensor-source.js";
import { rangeOf, readMatrix } from "../checkpoint/tensors.js";
import { linearsOf } from "../model/architecture.js";
import { bitnet } from "../model/architectures/bitnet.js";
import { llama } from "../model/architectures/llama.js";
import { describeModel } from "../model/model.js";
import type { IntOutline } from "../schemes/int.js";
import type { GridOutline } from "../schemes/scheme.js";
import type { FloatDtype } from "../tensor/dtype.js";
import { widen } from "../tensor/float.js";
import type { TensorBytes } from "../tensor/tensor.js";
import { bytesOf, shardIndex, type Unit, writeShards } from "./checkpoint-shards.js";
import type { Container, LinearToWrite, ModelToWrite } from "./container.js";
import type { PackedLinear } from "./target.js";
import { asIntOutline } from "./ternary-codes.js";

/*
 * A Hugging Face checkpoint whose linears are codes: config.json with a `quantization_config`, the tokenizer's files as
 * they are, and safetensors with `<linear>.<tensor>` for each quantized linear and all other tensors under their names.
 */

/** What a format of such checkpoints says of its own. */
export interface CheckpointFormat<Parameters> {
  /** The tensors of a linear, by their names behind the linear's; larger dtypes first. */
  shapes(weight: IntOutline): Readonly<Record<string, Pick<NamedTensor, "dtype" | "shape">>>;
  /** `quantization_config`. @param float names of the linears that stay float. */
  configuration(
    quantized: readonly QuantizedLinear[],
    float: readonly string[],
    parameters: Parameters,
  ): Readonly<Record<string, unknown>>;
}

/** A linear as such configurations describe it. */
export interface QuantizedLinear {
  readonly name: string;
  readonly bits: number;
  /** Inputs that share a scale; null for a scale a row. */
  readonly groupSize: number | null;
  readonly symmetric: boolean;
}

export function checkpointContainer<Parameters extends object>(
  format: CheckpointFormat<Parameters>,
): Container<Parameters, GridOutline> {
  return {
    refuse({ config, quantized }) {
      const type = String(config.model_type);
      if (!knownTypes.includes(type)) {
        return {
          reason: `it is of the type ${type}; that runtimes load such checkpoints is known of ${knownTypes.join(", ")}`,
          fix: "choose another target for this model",
        };
      }
      if (quantized.length > 0) return null;
      return { reason: "no linear is quantized", fix: "quantize some, or take the checkpoint as it is" };
    },
    async write(folder, model, parameters) {
      const layouts = new Map<string, PackedLinear["layout"]>();
      const kept = [...model.kept.tensors.keys()].filter((name) => !isScaleOfFp8(name, model.kept)).sort();
      const shards = await writeShards(folder, [
        ...model.linears.map((linear) => linearUnit(linear, format, layouts)),
        ...kept.map((name) => [keptTensor(name, model.kept)]),
      ]);
      const files = [
        ...shards.map(({ file }) => file),
        ...(await copyCompanions(folder, model.directory, besideConfig)),
      ];
      await writeJson(folder, configFile, configOf(model, format, parameters));
      if (shards.length > 1) await writeJson(folder, indexFile, shardIndex(shards));
      files.push(configFile, ...(shards.length > 1 ? [indexFile] : []));
      await removeOthers(folder, files);
      const fileOf = new Map(
        shards.flatMap(({ file, tensors }) => tensors.map(({ name }) => [name, file] as const)),
      );
      const linears = model.linears.map(({ name, weight }) => {
        const shapes = Object.entries(format.shapes(intOutlineOf(weight)));
        const bytes = shapes.reduce((sum, [, shape]) => sum + bytesOf(shape), 0);
        const file = fileOf.get(`${name}.${shapes[0][0]}`) ?? "";
        return { name, file, bytes, layout: layouts.get(name) ?? {} };
      });
      return { files, linears };
    },
    async open(folder) {
      const checkpoint = await openCheckpoint(folder);
      return {
        async read({ name, weight }) {
          const found: [string, TensorBytes][] = [];
          for (const tensor of Object.keys(format.shapes(intOutlineOf(weight)))) {
            const info = checkpoint.tensors.get(`${name}.${tensor}`);
            if (info === undefined) continue; // missed by who unpacks it
            const bytes = await checkpoint.read(`${name}.${tensor}`);
            found.push([tensor, { dtype: info.dtype, shape: info.shape, bytes }]);
          }
          return Object.fromEntries(found);
        },
        close: () => checkpoint.close(),
      };
    },
  };
}

const knownTypes = [...llama.modelTypes, ...bitnet.modelTypes];
const indexFile = "model.safetensors.index.json";
const besideConfig = companionFiles.filter((name) => name !== configFile);

/** The tensors of a linear, which is packed when the first of them is written and dropped after the last. */
function linearUnit<Parameters>(
  linear: LinearToWrite<GridOutline>,
  format: CheckpointFormat<Parameters>,
  layouts: Map<string, PackedLinear["layout"]>,
): Unit {
  let packed: PackedLinear | null = null;
  const shapes = Object.entries(format.shapes(intOutlineOf(linear.weight)));
  async function* bytes(tensor: string, isLast: boolean): AsyncGenerator<Uint8Array> {
    packed ??= await linear.pack();
    layouts.set(linear.name, packed.layout);
    yield packed.tensors[tensor].bytes;
    if (isLast) packed = null;
  }
  return shapes.map(([tensor, shape], at) => ({
    name: `${linear.name}.${tensor}`,
    ...shape,
    bytes: bytes(tensor, at === shapes.length - 1),
  }));
}

function intOutlineOf(weight: GridOutline): IntOutline {
  const outline = asIntOutline(weight);
  if (outline === null) throw new RangeError("only one plane of trits have codes"); // refused before
  return outline;
}

/** Bytes of a kept tensor that are in memory at a time. */
const pieceBytes = 2 ** 24;

/** A tensor as the run keeps it; FP8 as float32, its exact value with its scales, which these formats do not know. */
export function keptTensor(name: string, kept: TensorSource): NamedTensor {
  const info = kept.tensors.get(name)!;
  const isFp8 = info.dtype.startsWith("F8") && info.shape.length === 2;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    if (info.shape.length === 0) return yield await kept.read(name);
    const { last } = rangeOf(info, name);
    const step = Math.max(1, Math.floor((pieceBytes * last) / Math.max(1, info.bytes)));
    for (let first = 0; first < last; first += step) {
      const rows = { first, last: Math.min(first + step, last) };
      if (!isFp8) yield await kept.read(name, rows);
      else yield new Uint8Array((await readMatrix(kept, name, reading, rows)).data.buffer);
    }
  }
  return { name, dtype: isFp8 ? "F32" : info.dtype, shape: info.shape, bytes: pieces() };
}

const reading = {
  async widen(dtype: FloatDtype, bytes: Uint8Array): Promise<Float32Array> {
    const out = new Float32Array(
      dtype === "F32" ? bytes.length / 4 : dtype.startsWith("F8") ? bytes.length : bytes.length / 2,
    );
    widen(dtype, bytes, out);
    return out;
  },
};

function isScaleOfFp8(name: string, kept: TensorSource): boolean {
  const weight = kept.tensors.get(name.replace(/_scale(_inv)?$/, ""));
  return /\.weight_scale(_inv)?$/.test(name) && weight?.dtype.startsWith("F8") === true;
}

function configOf<Parameters>(
  { config, linears, kept }: ModelToWrite<GridOutline>,
  format: CheckpointFormat<Parameters>,
  parameters: Parameters,
): object {
  const quantized = new Map(linears.map(({ name, weight }) => [name, weight]));
  const description = describeModel(config, (tensor) => {
    const weight = quantized.get(tensor.replace(/\.weight$/, ""));
    return kept.tensors.get(tensor)?.shape ?? (weight && [weight.rows, weight.columns]);
  });
  const names = linearsOf(description).map(({ name }) => name);
  const float = names.filter((name) => !quantized.has(name));
  return {
    ...config,
    // A head of codes is no embedding any more.
    ...(description.head && quantized.has(description.head.name) && { tie_word_embeddings: false }),
    // Loaders cast the scales to this dtype: bfloat16 would round the float16 scales.
    torch_dtype: "float16",
    ...("dtype" in config && { dtype: "float16" }),
    quantization_config: format.configuration(describeLinears(linears), float, parameters),
  };
}

/** A row that is one group counts as a group where the other linears have groups of that size. */
function describeLinears(linears: readonly LinearToWrite<GridOutline>[]): readonly QuantizedLinear[] {
  const outlines = linears.map(({ name, weight }) => ({ name, ...intOutlineOf(weight) }));
  const sizes = new Set(outlines.filter(({ group, columns }) => group < columns).map(({ group }) => group));
  return outlines.map(({ name, bits, symmetric, group, columns }) => {
    return { name, bits, symmetric, groupSize: group < columns || sizes.has(group) ? group : null };
  });
}

async function writeJson(folder: string, file: string, value: object): Promise<void> {
  await writeAtomically(path.join(folder, file), [Buffer.from(`${JSON.stringify(value, null, 2)}\n`)]);
}

/** The tokenizer's and other files beside the weights, as they are. @returns their names. */
export async function copyCompanions(
  folder: string,
  from: string,
  wanted: readonly string[] = companionFiles,
): Promise<readonly string[]> {
  const present = await readdir(from);
  const names = wanted.filter((name) => present.includes(name));
  for (const name of names)
    await writeAtomically(path.join(folder, name), [await readFile(path.join(from, name))]);
  return names;
}

/** Files of an earlier pack with other shards would be taken for this one's. */
async function removeOthers(folder: string, files: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^model.*\.safetensors(\.index\.json)?$/.test(name) && !files.includes(name))
      await rm(path.join(folder, name));
  }
}
