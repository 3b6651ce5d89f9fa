import { type FileHandle, open } from "node:fs/promises";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { type FloatDtype, floatDtypes, isFloatDtype } from "../tensor/dtype.js";
import type { Matrix } from "../tensor/matrix.js";
import { fileError } from "./file-error.js";
import { applyScales } from "./fp8-scales.js";
import { readHeader, type TensorInfo } from "./safetensors.js";
import type { RowRange, TensorSource } from "./tensor-source.js";

/** @throws LuthierError when a file is not sound (see `readHeader`) or two files hold a tensor of one name. */
export async function openTensors(files: readonly string[]): Promise<TensorSource> {
  const tensors = new Map<string, TensorInfo>();
  for (const file of files) {
    for (const [name, info] of (await readHeader(file)).tensors) {
      const other = tensors.get(name);
      if (other !== undefined) {
        throw new LuthierError(
          `tensor ${name} is in two files: ${other.file} and ${file}`,
          "Fetch the checkpoint again: one of the files belongs to another one.",
        );
      }
      tensors.set(name, info);
    }
  }
  const handles = await openAll(files);
  return {
    tensors,
    async read(name, rows) {
      const info = tensorNamed(tensors, name);
      const { begin, bytes } = rows === undefined ? info : sliceOf(info, name, rows);
      return readExactly(handles.get(info.file)!, info.file, name, begin, bytes);
    },
    close: () => closeAll(handles),
  };
}

/**
 * A weight `[N, K]`, or some of its rows, as float32.
 *
 * A weight in FP8 is multiplied by its companion scales where it has them: `<name>_scale_inv` holds one scale per block
 * of 128 × 128 weights (the convention of DeepSeek-V3 and Qwen3-FP8; despite its name it multiplies), `<name>_scale`
 * one for the whole tensor or one a row (compressed-tensors).
 *
 * @throws LuthierError naming the tensor when it is missing, not a matrix, not of a float dtype, or holds NaN or an
 * infinity; then with row and column too.
 */
export async function readMatrix(
  source: TensorSource,
  name: string,
  kernels: Pick<Kernels, "widen">,
  rows?: RowRange,
): Promise<Matrix> {
  const info = tensorNamed(source.tensors, name);
  const dtype = floatDtypeOf(info, name, 2);
  const { first, last } = rangeOf(info, name, rows);
  const bytes = await source.read(name, { first, last });
  const weight = { rows: last - first, columns: info.shape[1], data: await kernels.widen(dtype, bytes) };
  if (dtype.startsWith("F8")) await applyScales(source, name, kernels, weight, first);
  checkFinite(name, weight, first);
  return weight;
}

/**
 * A bias or the weight of a norm, `[N]`, as float32.
 *
 * @throws LuthierError naming the tensor when it is missing, not a vector, not of a float dtype, or holds NaN or an
 * infinity.
 */
export async function readVector(
  source: TensorSource,
  name: string,
  kernels: Pick<Kernels, "widen">,
): Promise<Float32Array> {
  const info = tensorNamed(source.tensors, name);
  const dtype = floatDtypeOf(info, name, 1);
  const data = await kernels.widen(dtype, await source.read(name));
  checkFinite(name, { rows: 1, columns: data.length, data }, 0);
  return data;
}

/** @throws LuthierError when there is no tensor of that name. */
function tensorNamed(tensors: ReadonlyMap<string, TensorInfo>, name: string): TensorInfo {
  const info = tensors.get(name);
  if (info !== undefined) return info;
  throw new LuthierError(
    `there is no tensor ${name} among the checkpoint's ${tensors.size}`,
    "Check that config.json belongs to these weights.",
  );
}

/** The rows of a range, or all of them. @throws RangeError when the tensor has no such rows. */
export function rangeOf(info: TensorInfo, name: string, rows?: RowRange): RowRange {
  const count = info.shape.length === 0 ? 0 : info.shape[0];
  if (rows === undefined) return { first: 0, last: count };
  const { first, last } = rows;
  if (!Number.isInteger(first) || !Number.isInteger(last) || first < 0 || last < first || last > count) {
    throw new RangeError(`${name} has ${count} rows, not ${first} to ${last}`);
  }
  return rows;
}

function sliceOf(info: TensorInfo, name: string, rows: RowRange): { begin: number; bytes: number } {
  const { first, last } = rangeOf(info, name, rows);
  if (first === last) return { begin: info.begin, bytes: 0 };
  const rowBytes = info.bytes / info.shape[0];
  return { begin: info.begin + first * rowBytes, bytes: (last - first) * rowBytes };
}

/** Linux reads at most 2 GiB a call, and Node refuses to ask for more. */
const readBytesLimit = 1 << 30;

async function readExactly(
  handle: FileHandle,
  file: string,
  name: string,
  begin: number,
  bytes: number,
): Promise<Uint8Array> {
  const out = new Uint8Array(bytes); // at most what the file held when its header was checked
  try {
    for (let done = 0; done < bytes; ) {
      const wanted = Math.min(bytes - done, readBytesLimit);
      const { bytesRead } = await handle.read(out, done, wanted, begin + done);
      if (bytesRead === 0) {
        throw new LuthierError(
          `${file} ended within tensor ${name}: the file became shorter after it was opened`,
          "Do not change a checkpoint while it is read.",
        );
      }
      done += bytesRead;
    }
  } catch (error) {
    throw fileError("read", file, error);
  }
  return out;
}

async function openAll(files: readonly string[]): Promise<ReadonlyMap<string, FileHandle>> {
  const handles = new Map<string, FileHandle>();
  for (const file of files) {
    try {
      handles.set(file, await open(file, "r"));
    } catch (error) {
      await closeAll(handles);
      throw fileError("read", file, error);
    }
  }
  return handles;
}

async function closeAll(handles: ReadonlyMap<string, FileHandle>): Promise<void> {
  await Promise.all([...handles.values()].map((handle) => handle.close()));
}

function floatDtypeOf(info: TensorInfo, name: string, rank: 1 | 2): FloatDtype {
  const { dtype, shape, file } = info;
  if (shape.length !== rank) {
    throw new LuthierError(
      `tensor ${name} has the shape [${shape.join(", ")}]; a ${rank === 2 ? "matrix" : "vector"} is needed (${file})`,
      "Check that config.json names the architecture of these weights.",
    );
  }
  if (!isFloatDtype(dtype)) {
    throw new LuthierError(
      `tensor ${name} is of dtype ${dtype}; a weight is one of ${floatDtypes.join(", ")} (${file})`,
      "Take the checkpoint in its original precision: a quantized one cannot be quantized again.",
    );
  }
  return dtype;
}

function checkFinite(name: string, { columns, data }: Matrix, first: number): void {
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue;
    const place = `row ${first + Math.floor(i / columns)}, column ${i % columns}`;
    throw new LuthierError(
      `tensor ${name} holds ${data[i]} at ${place}`,
      "The weights are damaged: fetch or train the checkpoint again.",
    );
  }
}

/** Tensors of a checkpoint by their names. */
export interface RememberedTensors {
  vector(name: string): Promise<Float32Array>;
  matrix(name: string): Promise<Matrix>;
}

/** Reads vectors as `readVector` and matrices as `readMatrix`, each once, however often it is asked for. */
export function rememberedTensors(source: TensorSource, kernels: Pick<Kernels, "widen">): RememberedTensors {
  return {
    vector: remembered((name) => readVector(source, name, kernels)),
    matrix: remembered((name) => readMatrix(source, name, kernels)),
  };
}

function remembered<Tensor>(read: (name: string) => Promise<Tensor>): (name: string) => Promise<Tensor> {
  const known = new Map<string, Promise<Tensor>>();
  return (name) => {
    const tensor = known.get(name) ?? read(name);
    known.set(name, tensor);
    return tensor;
  };
}
