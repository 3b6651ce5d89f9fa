import { z } from "zod";
import type { TensorInfo } from "../../checkpoint/safetensors.js";
import type { TensorSource } from "../../checkpoint/tensor-source.js";
import type { IntOutline } from "../int.js";
import type { ActivationScheme } from "../scheme.js";
import { compressedZeroPoints } from "./compressed-layout.js";
import {
  expectShape,
  expectTensor,
  inTensor,
  linearsWith,
  misshapen,
  parseConfig,
  readFloats,
  readIntegers,
  type StoredFormat,
  scaleDtypes,
  unread,
} from "./format.js";
import { inputOrder } from "./input-order.js";
import { intGrid, storedLinear } from "./stored-linear.js";
import { unpackRows, wordsOf } from "./words.js";

/*
 * Linears of compressed-tensors: `pack-quantized` (compressed-layout.ts has its tensors), and `int-quantized` or
 * `naive-quantized` of eight bits: `weight` I8 [N, K], `weight_scale` and `weight_zero_point` I8 as there.
 */

const activations = z.looseObject({
  num_bits: z.literal(8),
  type: z.literal("int"),
  strategy: z.literal("token"),
  dynamic: z.literal(true),
  symmetric: z.literal(true),
});

const configSchema = z.looseObject({
  format: z.string(),
  config_groups: z.record(
    z.string(),
    z.looseObject({
      weights: z.looseObject({ num_bits: z.int().min(1).max(8), type: z.literal("int") }),
      input_activations: z.looseObject({}).nullish(),
      output_activations: z.null().optional(),
      format: z.string().nullish(),
    }),
  ),
  kv_cache_scheme: z.null().optional(),
  sparsity_config: z.looseObject({ format: z.string().nullish() }).nullish(),
  transform_config: z.looseObject({}).nullish(),
});

const packedFormat = "pack-quantized";
const plainFormats: readonly string[] = ["int-quantized", "naive-quantized"];

export const compressedTensors: StoredFormat = {
  method: "compressed-tensors",
  async open(source, config, file) {
    const chosen = parseConfig(configSchema, config, file);
    const groups = Object.values(chosen.config_groups);
    for (const format of groups.map((group) => group.format ?? chosen.format)) {
      if (format !== packedFormat && !plainFormats.includes(format)) {
        throw unread(file, `the format is ${format}; ${[packedFormat, ...plainFormats].join(", ")} are read`);
      }
    }
    const sparsity = chosen.sparsity_config?.format ?? "dense";
    if (sparsity !== "dense") throw unread(file, `its weights are sparse in the format ${sparsity}`);
    if (Object.keys(chosen.transform_config ?? {}).length > 0) {
      throw unread(file, "transform_config rotates the inputs of linears, which is not computed");
    }
    const activation = activationOf(groups, file);
    const bits = groups.map((group) => group.weights.num_bits);
    const linears = [
      ...linearsWith(source, "weight_packed").map((name) => packedLinear(name, bits, activation, source)),
      ...linearsWith(source, "weight_scale")
        .filter((name) => source.tensors.get(`${name}.weight`)?.dtype === "I8")
        .map((name) => plainLinear(name, activation, source)),
    ];
    return new Map(await Promise.all(linears));
  },
};

/** Static and float activations are part of the model and not computed here, so they are refused. */
function activationOf(
  groups: readonly { readonly input_activations?: unknown }[],
  file: string,
): ActivationScheme {
  const inputs = groups.map((group) => group.input_activations ?? null);
  if (inputs.every((input) => input === null)) return { scheme: "float" };
  if (inputs.every((input) => activations.safeParse(input).success)) return { scheme: "int8", per: "token" };
  throw unread(file, "input_activations are neither absent nor int8 with a dynamic scale a token");
}

type Entry = readonly [name: string, ReturnType<typeof storedLinear>];

async function packedLinear(
  name: string,
  configured: readonly number[],
  activation: ActivationScheme,
  source: TensorSource,
): Promise<Entry> {
  const packed = expectTensor(source, `${name}.weight_packed`, ["I32"], 2);
  const [rows, columns] = await shapeIn(name, source);
  const layouts = [...new Set(configured)].flatMap((bits) => [
    ...(wordsOf(columns, bits) === packed.shape[1] ? [{ bits, crossing: true }] : []),
    // Older versions leave the bits of a word free that hold no whole code.
    ...(32 % bits !== 0 && Math.ceil(columns / Math.floor(32 / bits)) === packed.shape[1]
      ? [{ bits, crossing: false }]
      : []),
  ]);
  if (packed.shape[0] !== rows || layouts.length !== 1 || !layouts[0].crossing) {
    throw misshapen(
      `${name}.weight_packed`,
      `has the shape [${packed.shape.join(", ")}]; ${rows} rows of ${columns} codes of ${configured.join(" or ")} bits, ` +
        "packed without gaps, are needed",
    );
  }
  const [{ bits }] = layouts;
  const grid = scalesIn(name, rows, columns, source);
  return [
    name,
    storedLinear({
      name,
      rows,
      columns,
      activation,
      tensors: partsOf(
        name,
        ["weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx"],
        source,
      ),
      codes: async () => unpackRows(await source.read(`${name}.weight_packed`), rows, columns, bits),
      async grid() {
        const shape = { rows, columns, group: grid.group, scaleRows: grid.scaleRows, bits };
        const scales = await readFloats(source, `${name}.weight_scale`);
        const zeroPoints = await packedZeroPoints(name, shape, source);
        const order = await orderIn(name, columns, grid.group, source);
        return intGrid(shape, scales, zeroPoints, order, `${name}.weight_scale`);
      },
    }),
  ];
}

async function plainLinear(name: string, activation: ActivationScheme, source: TensorSource): Promise<Entry> {
  const [rows, columns] = expectTensor(source, `${name}.weight`, ["I8"], 2).shape;
  const grid = scalesIn(name, rows, columns, source);
  return [
    name,
    storedLinear({
      name,
      rows,
      columns,
      activation,
      tensors: partsOf(name, ["weight", "weight_scale", "weight_zero_point"], source),
      codes: async () => unsigned(await source.read(`${name}.weight`), 8),
      async grid() {
        const shape = { rows, columns, group: grid.group, scaleRows: grid.scaleRows, bits: 8 };
        const scales = await readFloats(source, `${name}.weight_scale`);
        const zeroPoints = await plainZeroPoints(name, grid.count, 8, source);
        return intGrid(shape, scales, zeroPoints, null, `${name}.weight_scale`);
      },
    }),
  ];
}

function partsOf(name: string, parts: readonly string[], source: TensorSource): readonly string[] {
  return parts.map((part) => `${name}.${part}`).filter((tensor) => source.tensors.has(tensor));
}

async function shapeIn(
  name: string,
  source: TensorSource,
): Promise<readonly [rows: number, columns: number]> {
  const tensor = `${name}.weight_shape`;
  const info = expectTensor(source, tensor, ["I64", "I32"], 1);
  expectShape(info, tensor, [2]);
  const bytes = await source.read(tensor);
  const values =
    info.dtype === "I64"
      ? Array.from(new BigInt64Array(bytes.buffer, bytes.byteOffset, 2), Number)
      : [...new Int32Array(bytes.buffer, bytes.byteOffset, 2)];
  const [rows, columns] = values;
  if (values.every((value) => value > 0 && value <= 2 ** 31) && Number.isSafeInteger(rows * columns))
    return [rows, columns];
  throw misshapen(tensor, `holds ${values.join(", ")}, no shape`);
}

/** The grid that `weight_scale` spans. */
function scalesIn(name: string, rows: number, columns: number, source: TensorSource) {
  const tensor = `${name}.weight_scale`;
  const rank = Math.min(2, source.tensors.get(tensor)?.shape.length ?? 2);
  const { shape } = expectTensor(source, tensor, scaleDtypes, rank);
  const [scaleRows = 1, groups = 1] = shape;
  if ((scaleRows !== rows && (scaleRows !== 1 || groups !== 1)) || groups === 0 || columns % groups !== 0) {
    throw misshapen(tensor, `has the shape [${shape.join(", ")}] for a weight [${rows}, ${columns}]`);
  }
  return { scaleRows, group: columns / groups, count: scaleRows * groups };
}

async function packedZeroPoints(
  name: string,
  {
    rows,
    columns,
    group,
    scaleRows,
    bits,
  }: Pick<IntOutline, "rows" | "columns" | "group" | "scaleRows" | "bits">,
  source: TensorSource,
): Promise<Uint8Array | null> {
  const tensor = `${name}.weight_zero_point`;
  const info: TensorInfo | undefined = source.tensors.get(tensor);
  if (info === undefined) return null;
  const groups = columns / group;
  if (info.dtype !== "I32") return plainZeroPoints(name, scaleRows * groups, bits, source);
  expectShape(info, tensor, [wordsOf(rows, bits), groups]);
  const words = await source.read(tensor);
  return inTensor(tensor, () => compressedZeroPoints(words, rows, groups, bits));
}

/** Zero points of a byte each. */
async function plainZeroPoints(
  name: string,
  count: number,
  bits: number,
  source: TensorSource,
): Promise<Uint8Array | null> {
  const tensor = `${name}.weight_zero_point`;
  const info = source.tensors.get(tensor);
  if (info === undefined) return null;
  if (info.dtype !== "I8" || info.bytes !== count) {
    throw misshapen(tensor, `is ${info.dtype} [${info.shape.join(", ")}]; I8 for ${count} scales is needed`);
  }
  const zeroPoints = unsigned(await source.read(tensor), bits);
  const wrong = zeroPoints.findIndex((zero) => zero >= 2 ** bits);
  if (wrong >= 0) throw misshapen(tensor, `holds a zero point at ${wrong} that exceeds ${bits} bits`);
  return zeroPoints;
}

/** Signed bytes plus 2^(bits−1). */
function unsigned(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((byte) => byte + 2 ** (bits - 1));
}

/** `weight_g_idx` of older versions; all −1 where it is not used. */
async function orderIn(name: string, columns: number, group: number, source: TensorSource) {
  const tensor = `${name}.weight_g_idx`;
  if (!source.tensors.has(tensor)) return null;
  expectShape(expectTensor(source, tensor, ["I32"], 1), tensor, [columns]);
  const groupOf = await readIntegers(source, tensor);
  return groupOf.every((index) => index === -1) ? null : inputOrder(groupOf, group, tensor);
}
