import { type FileHandle, open } from "node:fs/promises";
import path from "node:path";
import { writeAtomically } from "../../checkpoint/atomic.js";
import { readBounded } from "../../checkpoint/bounded-file.js";
import { fileError } from "../../checkpoint/file-error.js";
import type { NamedTensor } from "../../checkpoint/safetensors.js";
import { readVector } from "../../checkpoint/tensors.js";
import { LuthierError } from "../../error.js";
import { openKernels } from "../../kernels/open.js";
import { findWritable } from "../../model/architectures/registry.js";
import { describeModel } from "../../model/model.js";
import { type ExternalTensor, encodeModel, externalType } from "../../model/onnx.js";
import type { GridOutline } from "../../schemes/scheme.js";
import { copyCompanions, keptTensor } from "../checkpoint-container.js";
import type { Container, LinearToWrite, ModelToWrite, WrittenLinear } from "../container.js";
import { damagedPack, type PackedGrid } from "../target.js";
import { modelGraph, type QuantizedProduct, quantizedProduct } from "./model-graph.js";
import type { OnnxParameters } from "./onnx.js";
import { type ReadProduct, readModel } from "./read-model.js";

const modelFile = "model.onnx";
const dataFile = "model.onnx.data";

/** Offsets of tensors, so that a runtime can map the file. */
const alignment = 4096;

/** Larger than the graph of any model: its tensors lie in the data file. */
const graphBytesLimit = 2 ** 28;

/** `model.onnx` with all tensors in `model.onnx.data`, configuration and tokenizer beside them. */
export const onnxContainer: Container<OnnxParameters, GridOutline> = {
  refuse({ config }) {
    try {
      findWritable(config);
      return null;
    } catch (error) {
      if (error instanceof LuthierError) return { reason: error.message, fix: error.fix };
      throw error;
    }
  },
  async write(folder, model, { cache }) {
    const places: ExternalTensor[] = [];
    const written: WrittenLinear[] = [];
    await writeAtomically(path.join(folder, dataFile), dataOf(model, places, written));
    const products = new Map(
      model.linears.map(({ name, weight }, i) => [name, { weight, layout: written[i].layout }]),
    );
    const graph = await modelGraph(model.config, descriptionOf(model), products, cache);
    await writeAtomically(path.join(folder, modelFile), [encodeModel({ ...graph, external: places })]);
    return {
      files: [modelFile, dataFile, ...(await copyCompanions(folder, model.directory))],
      linears: written,
    };
  },
  async open(folder) {
    const { places, products } = readModel(
      await readBounded(path.join(folder, modelFile), graphBytesLimit),
      dataFile,
    );
    const file = path.join(folder, dataFile);
    const handle = await open(file, "r").catch((error) => {
      throw fileError("read", file, error);
    });
    const { size } = await handle.stat();
    return {
      async read({ name, weight, layout }) {
        expectProduct(products.get(name), name, { weight, layout });
        const found = ["codes", "scales", "zero_points"].flatMap((tensor) => {
          const place = places.get(`${name}.${tensor}`);
          return place ? [[tensor, place] as const] : [];
        });
        const tensors = found.map(async ([tensor, place]) => {
          return [
            tensor,
            { dtype: place.dtype, shape: place.shape, bytes: await readPlace(handle, place, size) },
          ] as const;
        });
        return Object.fromEntries(await Promise.all(tensors));
      },
      close: () => handle.close(),
    };
  },
};

/** The node that onnxruntime computes must be the one of this weight and layout. */
function expectProduct(found: ReadProduct | undefined, name: string, product: QuantizedProduct): void {
  if (found === undefined) throw damagedPack(`${modelFile} has no product ${name}`);
  const { inputs, attributes } = quantizedProduct(name, product, "", "");
  const facts = (tensors: readonly string[], numbers: Readonly<Record<string, number>>) => {
    const sorted = Object.entries(numbers).sort(([a], [b]) => (a < b ? -1 : 1));
    return [...tensors, ...sorted.map(([key, value]) => `${key} ${value}`)].join(", ");
  };
  const [has, says] = [facts(found.tensors, found.attributes), facts(inputs.slice(1), attributes)];
  if (has !== says)
    throw damagedPack(`${modelFile} has the product ${name} of ${has}, its layout says ${says}`);
}

function descriptionOf({ config, kept, linears }: ModelToWrite<GridOutline>) {
  const quantized = new Map(linears.map(({ name, weight }) => [`${name}.weight`, weight]));
  return describeModel(config, (tensor) => {
    const weight = quantized.get(tensor);
    return kept.tensors.get(tensor)?.shape ?? (weight && [weight.rows, weight.columns]);
  });
}

/** The data file from its beginning; notes where each tensor lies and how each linear was packed. */
async function* dataOf(
  model: ModelToWrite<GridOutline>,
  places: ExternalTensor[],
  written: WrittenLinear[],
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for await (const { name, dtype, shape, bytes } of tensorsOf(model, written)) {
    if (!(dtype in externalType)) {
      throw new LuthierError(
        `the tensor ${name} is ${dtype}, which the onnx target does not write`,
        "choose another target",
      );
    }
    const padding = (alignment - (offset % alignment)) % alignment;
    yield new Uint8Array(padding);
    offset += padding;
    const first = offset;
    for await (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) {
      yield piece;
      offset += piece.length;
    }
    places.push({
      name,
      dtype: dtype as ExternalTensor["dtype"],
      shape,
      file: dataFile,
      offset: first,
      bytes: offset - first,
    });
  }
}

async function* tensorsOf(
  model: ModelToWrite<GridOutline>,
  written: WrittenLinear[],
): AsyncGenerator<NamedTensor> {
  for (const linear of model.linears) yield* linearTensors(linear, written);
  const kernels = openKernels({ path: "reference" }); // vectors are short
  for (const name of [...model.kept.tensors.keys()].sort()) {
    const info = model.kept.tensors.get(name)!;
    if (/_scale(_inv)?$/.test(name)) continue; // of an FP8 weight, which is written with it
    if (info.shape.length !== 1) yield keptTensor(name, model.kept);
    else {
      const bytes = new Uint8Array((await readVector(model.kept, name, kernels)).buffer);
      yield { name, dtype: "F32", shape: info.shape, bytes };
    }
  }
}

async function* linearTensors(
  linear: LinearToWrite<GridOutline>,
  written: WrittenLinear[],
): AsyncGenerator<NamedTensor> {
  const { tensors, layout }: PackedGrid = await linear.pack();
  const bytes = Object.values(tensors).reduce((sum, tensor) => sum + tensor.bytes.length, 0);
  written.push({ name: linear.name, file: dataFile, bytes, layout });
  for (const [name, tensor] of Object.entries(tensors)) yield { name: `${linear.name}.${name}`, ...tensor };
}

async function readPlace(
  handle: FileHandle,
  { name, offset, bytes }: ExternalTensor,
  size: number,
): Promise<Uint8Array> {
  if (offset + bytes > size) throw damagedPack(`its tensor ${name} ends beyond ${dataFile}`);
  const out = new Uint8Array(bytes);
  const { bytesRead } = await handle.read(out, 0, bytes, offset);
  if (bytesRead !== bytes) throw damagedPack(`${dataFile} ends within its tensor ${name}`);
  return out;
}
