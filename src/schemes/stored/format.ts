import type { z } from "zod";
import type { TensorInfo } from "../../checkpoint/safetensors.js";
import type { TensorSource } from "../../checkpoint/tensor-source.js";
import { LuthierError } from "../../error.js";
import { type Dtype, isFloatDtype } from "../../tensor/dtype.js";
import { widen } from "../../tensor/float.js";
import type { StoredLinear } from "./stored-linear.js";

/** A format in which other libraries store quantized linears beside float tensors. */
export interface StoredFormat {
  /** `quant_method` of config.json's `quantization_config`. */
  readonly method: string;
  /**
   * The linears that are quantized, by name (`model.layers.0.self_attn.q_proj`).
   * @param config the `quantization_config`; @param file where it stands, for errors.
   * @throws LuthierError for a variant that is not read, with the reason, or tensors that are not of the format, by name.
   */
  open(
    source: TensorSource,
    config: Readonly<Record<string, unknown>>,
    file: string,
  ): Promise<ReadonlyMap<string, StoredLinear>>;
}

/** @throws LuthierError naming the key of `quantization_config` that is not as the schema has it. */
export function parseConfig<T>(schema: z.ZodType<T>, config: unknown, file: string): T {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw unread(file, `${path.join(".") || "it"}: ${message}`);
}

/** What to throw for a variant of a format that is not read. */
export function unread(file: string, what: string, fix = takeOriginal): LuthierError {
  return new LuthierError(`quantization_config in ${file} cannot be read: ${what}`, fix);
}

const takeOriginal = "take the original checkpoint in BF16, FP16 or FP32";

/** What to throw for tensors that are not as their format has them. */
export function misshapen(name: string, what: string): LuthierError {
  return new LuthierError(
    `tensor ${name} ${what}`,
    "the checkpoint is damaged or of another kind: fetch it again from where it came",
  );
}

/** @throws LuthierError when there is no such tensor, or it is of another dtype or number of dimensions. */
export function expectTensor(
  source: TensorSource,
  name: string,
  dtypes: readonly Dtype[],
  rank: number,
): TensorInfo {
  const info = source.tensors.get(name);
  if (info === undefined) throw misshapen(name, "is missing");
  if (dtypes.includes(info.dtype) && info.shape.length === rank) return info;
  throw misshapen(
    name,
    `is ${info.dtype} [${info.shape.join(", ")}]; ${dtypes.join(" or ")} of ${rank} dimensions is needed`,
  );
}

/** @throws LuthierError when a tensor has another shape. */
export function expectShape(info: TensorInfo, name: string, shape: readonly number[]): void {
  if (info.shape.join() === shape.join()) return;
  throw misshapen(name, `has the shape [${info.shape.join(", ")}], [${shape.join(", ")}] is needed`);
}

export const scaleDtypes = ["F16", "BF16", "F32"] as const;

/** A tensor of scales or of a bias, as float32. */
export async function readFloats(source: TensorSource, name: string): Promise<Float32Array> {
  const dtype = source.tensors.get(name)?.dtype ?? "F32";
  if (!isFloatDtype(dtype)) throw misshapen(name, `is of dtype ${dtype}, no float`);
  const bytes = await source.read(name);
  const out = new Float32Array(bytes.length / { F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1 }[dtype]);
  widen(dtype, bytes, out);
  return out;
}

/** A tensor of I32 as numbers. */
export async function readIntegers(source: TensorSource, name: string): Promise<Int32Array> {
  const bytes = await source.read(name);
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** Runs a layout's function on bytes of a file. @throws LuthierError naming the tensor for what the layout refuses. */
export function inTensor<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw misshapen(name, error.message);
    throw error;
  }
}

/** Names of the linears that have a tensor `<name>.<tensor>`. */
export function linearsWith(source: TensorSource, tensor: string): readonly string[] {
  const ending = `.${tensor}`;
  return [...source.tensors.keys()]
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length));
}
