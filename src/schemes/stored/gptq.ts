import { z } from "zod";
import type { TensorSource } from "../../checkpoint/tensor-source.js";
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
import {
  type GptqShape,
  type GptqVersion,
  gptqBits,
  gptqCodes,
  gptqScales,
  gptqZeroPoints,
} from "./gptq-layout.js";
import { inputOrder } from "./input-order.js";
import { intGrid, type StoredGrid, storedLinear } from "./stored-linear.js";
import { wordsOf } from "./words.js";

/* Linears of GPTQ checkpoints: gptq-layout.ts has their tensors. */

const configSchema = z.looseObject({
  bits: z.number(),
  checkpoint_format: z.string().nullish(),
  /** The same under its newer name. */
  format: z.string().nullish(),
  pack_dtype: z.literal("int32").nullish(),
});

export const gptq: StoredFormat = {
  method: "gptq",
  async open(source, config, file) {
    const { bits, checkpoint_format: older, format } = parseConfig(configSchema, config, file);
    const version = older ?? format ?? "gptq";
    if (version !== "gptq" && version !== "gptq_v2") {
      throw unread(file, `checkpoint_format is ${version}; gptq and gptq_v2 are read`);
    }
    const names = linearsWith(source, "qweight");
    const opened = names.map(async (name) => [name, await linear(name, bits, version, source)] as const);
    return new Map(await Promise.all(opened));
  },
};

async function linear(name: string, bits: number, version: GptqVersion, source: TensorSource) {
  const shape = shapeOf(name, bits, source);
  const { rows, columns } = shape;
  const parts = ["qweight", "qzeros", "scales", "g_idx"].map((part) => `${name}.${part}`);
  // AutoGPTQ writes a bias of zeros for a linear that has none.
  if (await isZero(source, `${name}.bias`)) parts.push(`${name}.bias`);
  return storedLinear({
    name,
    rows,
    columns,
    tensors: parts.filter((part) => source.tensors.has(part)),
    activation: { scheme: "float" },
    grid: () => gridOf(name, shape, version, source),
    codes: async () => gptqCodes(await source.read(`${name}.qweight`), shape),
  });
}

/** Shape and bits, from the shapes of the tensors: a configuration may give single linears other bits than all. */
function shapeOf(name: string, configured: number, source: TensorSource): GptqShape {
  const qweight = expectTensor(source, `${name}.qweight`, ["I32"], 2);
  const qzeros = expectTensor(source, `${name}.qzeros`, ["I32"], 2);
  const scales = expectTensor(source, `${name}.scales`, scaleDtypes, 2);
  const [words, rows] = qweight.shape;
  const [groups] = scales.shape;
  expectShape(scales, `${name}.scales`, [groups, rows]);
  const bits = [configured, ...gptqBits].find(
    (candidate) => gptqBits.includes(candidate) && wordsOf(rows, candidate) === qzeros.shape[1],
  );
  if (bits === undefined || qzeros.shape[0] !== groups) {
    throw misshapen(
      `${name}.qzeros`,
      `has the shape [${qzeros.shape.join(", ")}]; zero points of ${gptqBits.join(", ")} bits for ${rows} outputs in ${groups} groups are needed`,
    );
  }
  const columns = (words * 32) / bits;
  if (!Number.isInteger(columns) || groups === 0 || columns % groups !== 0) {
    throw misshapen(`${name}.qweight`, `holds ${columns} inputs of ${bits} bits, in ${groups} groups`);
  }
  if (source.tensors.has(`${name}.g_idx`)) {
    expectShape(expectTensor(source, `${name}.g_idx`, ["I32"], 1), `${name}.g_idx`, [columns]);
  }
  return { rows, columns, group: columns / groups, bits };
}

async function gridOf(
  name: string,
  shape: GptqShape,
  version: GptqVersion,
  source: TensorSource,
): Promise<StoredGrid> {
  const scales = gptqScales(await readFloats(source, `${name}.scales`), shape);
  const qzeros = await source.read(`${name}.qzeros`);
  const zeroPoints = inTensor(`${name}.qzeros`, () => gptqZeroPoints(qzeros, shape, version));
  const groupOf = source.tensors.has(`${name}.g_idx`) ? await readIntegers(source, `${name}.g_idx`) : null;
  const order = groupOf && inputOrder(groupOf, shape.group, `${name}.g_idx`);
  return intGrid({ ...shape, scaleRows: shape.rows }, scales, zeroPoints, order, `${name}.scales`);
}

async function isZero(source: TensorSource, name: string): Promise<boolean> {
  return source.tensors.has(name) && (await readFloats(source, name)).every((value) => value === 0);
}
