import { z } from "zod";
import type { TableProduct } from "../kernels/table-product.js";
import { widen } from "../tensor/float.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { float32Tensor, type Tensors } from "../tensor/tensor.js";
import { packCodes, unpackCodes } from "./codes.js";
import { nearestVectors } from "./nearest-vectors.js";
import type { ActivationScheme } from "./scheme.js";

/**
 * Ids of centroids in the place of vectors of weights. The K inputs are cut into P positions of `vector` consecutive ones,
 * the N outputs into `blocks` equal runs; at each position each block has a codebook of `centroids` vectors.
 *
 * With `inputs`, the linear's input is represented by centroids too: a codebook of that many vectors at each position. With
 * `table`, what is kept is not the weights' centroids but the products of both: what hardware with two-dimensional tables
 * reads (LUT-LLM, arXiv 2511.06174). Its entries are fitted, so they need not be products of any two vectors.
 */
export interface VectorsOutline {
  readonly scheme: "vectors";
  readonly rows: number;
  readonly columns: number;
  /** v: consecutive inputs of a position. */
  readonly vector: number;
  /** c_w: centroids of a codebook of weights. */
  readonly centroids: number;
  /** S: runs of outputs, each with codebooks of its own. */
  readonly blocks: number;
  /** c_a: centroids of the input at each position. */
  readonly inputs?: number;
  /** Only with `inputs`. */
  readonly table?: TableOutline;
}

export interface TableOutline {
  /** Bits of an entry, unsigned. */
  readonly bits: 4 | 8;
  /** Equal runs of outputs, each with a scale and a bias of its own. */
  readonly scales: number;
}

export interface VectorsScheme extends VectorsOutline {
  /** `[P, N]`: of each position and output the centroid in the codebook of its block. */
  readonly ids: Uint8Array;
  /** `[P, S, c_w, v]`, float32; null with a table. */
  readonly codebooks: Float32Array | null;
  /** `[P, c_a, v]`, float32; null without `inputs`. The nearest by Chebyshev distance is meant, the first of equals. */
  readonly inputCodebooks: Float32Array | null;
  /** Null without a table. */
  readonly products: Products | null;
}

/** `y[n] = Σ_p entries[p][block of n][input's id][weight's id] · scale − bias`, the sum an integer. */
export interface Products {
  /** `[P, S, c_a, c_w]`. */
  readonly entries: Uint8Array;
  /** `[scales]`, float32. */
  readonly scales: Float32Array;
  /** `[scales]`, float32. */
  readonly biases: Float32Array;
}

/** An outline as a file states it. */
export const vectorsOutline = z.strictObject({
  scheme: z.literal("vectors"),
  rows: z.int().positive(),
  columns: z.int().positive(),
  vector: z.int().min(1).max(8),
  centroids: z.int().min(2).max(256),
  blocks: z.int().positive(),
  inputs: z.int().min(2).max(256).optional(),
  table: z
    .strictObject({ bits: z.union([z.literal(4), z.literal(8)]), scales: z.int().positive() })
    .optional(),
});

/** What is inconsistent in an outline; null when nothing is. */
export function vectorsFault({
  rows,
  columns,
  vector,
  blocks,
  inputs,
  table,
}: VectorsOutline): string | null {
  if (columns % vector !== 0) return `vectors of ${vector} do not divide ${columns} columns`;
  if (rows % blocks !== 0) return `${blocks} blocks do not divide ${rows} rows`;
  if (table && inputs === undefined) return "a table without centroids of the input";
  if (table && rows % table.scales !== 0) return `${table.scales} scales do not divide ${rows} rows`;
  return null;
}

/** A scheme without its data. */
export function vectorsOutlineOf(weight: VectorsScheme): VectorsOutline {
  const { rows, columns, vector, centroids, blocks, inputs, table } = weight;
  const kept = { ...(inputs !== undefined && { inputs }), ...(table && { table }) };
  return { scheme: "vectors", rows, columns, vector, centroids, blocks, ...kept };
}

/** In a few words: `vectors of 2, 16 centroids a 512 outputs, 64 of the input, uint8 table`. */
export function describeVectors({ rows, vector, centroids, blocks, inputs, table }: VectorsOutline): string {
  const input = inputs === undefined ? "" : `, ${inputs} of the input`;
  return `vectors of ${vector}, ${centroids} centroids a ${rows / blocks} outputs${input}${table ? `, uint${table.bits} table` : ""}`;
}

/** How an input is represented that meets this weight; float where the scheme leaves it open. */
export function inputOf({ vector, inputs }: VectorsOutline): ActivationScheme {
  return inputs === undefined ? { scheme: "float" } : { scheme: "centroids", vector, centroids: inputs };
}

/** A scheme as its table is computed; null without one. */
export function tableOf(
  weight: VectorsScheme & Pick<TableProduct, "inputs" | "inputCodebooks"> & { readonly products: Products },
): TableProduct;
export function tableOf(weight: VectorsScheme): TableProduct | null;
export function tableOf({ products, inputCodebooks, inputs, ...weight }: VectorsScheme): TableProduct | null {
  if (products === null || inputCodebooks === null || inputs === undefined) return null;
  return { ...weight, ...products, inputs, inputCodebooks };
}

/** P: positions of an input. */
export function positionsOf({ columns, vector }: Pick<VectorsOutline, "columns" | "vector">): number {
  return columns / vector;
}

/** Its float numbers. */
export function vectorsNumbers({
  codebooks,
  inputCodebooks,
  products,
}: VectorsScheme): readonly Float32Array[] {
  const arrays = [codebooks, inputCodebooks, products?.scales, products?.biases];
  return arrays.filter((numbers) => numbers instanceof Float32Array);
}

/** Bits of an id of a weight's centroid. */
export function idBits({ centroids }: Pick<VectorsOutline, "centroids">): number {
  return Math.ceil(Math.log2(centroids));
}

/**
 * The weight `[N, K]` that the ids stand for, float32. With a table that is, for each column of entries, the vector whose
 * products with the input's centroids are nearest to them by least squares.
 */
export function dequantizeVectors(weight: VectorsScheme): Matrix {
  const { rows, columns, vector, centroids, blocks, ids } = weight;
  const codebooks = weight.codebooks ?? nearestVectors(weight);
  const out = matrix(rows, columns);
  const blockRows = rows / blocks;
  for (let position = 0; position < columns / vector; position++) {
    for (let row = 0; row < rows; row++) {
      const codebook = position * blocks + Math.floor(row / blockRows);
      const from = (codebook * centroids + ids[position * rows + row]) * vector;
      const to = row * columns + position * vector;
      for (let i = 0; i < vector; i++) out.data[to + i] = codebooks[from + i];
    }
  }
  return out;
}

interface Sizes {
  readonly ids: number;
  readonly codebooks: number;
  readonly inputCodebooks: number;
  readonly entries: number;
  readonly scales: number;
}

/** Values of each array. */
function sizesOf(outline: VectorsOutline): Sizes {
  const { rows, vector, centroids, blocks, inputs = 0, table } = outline;
  const positions = positionsOf(outline);
  return {
    ids: positions * rows,
    codebooks: table ? 0 : positions * blocks * centroids * vector,
    inputCodebooks: positions * inputs * vector,
    entries: table ? positions * blocks * inputs * centroids : 0,
    scales: table?.scales ?? 0,
  };
}

/** The tensors of a file: `ids` in as few bits as hold them, and those of codebooks, entries, scales that there are. */
export function vectorsTensors(weight: VectorsScheme): Tensors {
  const { vector, centroids, blocks, inputs = 0, codebooks, inputCodebooks, products } = weight;
  const positions = positionsOf(weight);
  const ids = packCodes(weight.ids, idBits(weight));
  const entries = products && packCodes(products.entries, weight.table?.bits ?? 8);
  return {
    ids: { dtype: "U8", shape: [ids.length], bytes: ids },
    ...(codebooks && { codebooks: float32Tensor(codebooks, [positions, blocks, centroids, vector]) }),
    ...(inputCodebooks && { input_codebooks: float32Tensor(inputCodebooks, [positions, inputs, vector]) }),
    ...(entries && { entries: { dtype: "U8", shape: [entries.length], bytes: entries } }),
    ...(products && { scales: float32Tensor(products.scales), biases: float32Tensor(products.biases) }),
  };
}

/** @throws RangeError when a tensor does not fit the outline or an id is beyond its codebook. */
export function vectorsFromTensors(
  outline: VectorsOutline,
  bytesOf: (name: string) => Uint8Array,
): VectorsScheme {
  const sizes = sizesOf(outline);
  const ids = unpackCodes(bytesOf("ids"), idBits(outline), sizes.ids);
  if (ids.some((id) => id >= outline.centroids)) throw new RangeError("an id is beyond its codebook");
  const read = (name: string, count: number) => {
    const values = new Float32Array(count);
    widen("F32", bytesOf(name), values);
    return values;
  };
  const { table, inputs } = outline;
  return {
    ...outline,
    ids,
    codebooks: table ? null : read("codebooks", sizes.codebooks),
    inputCodebooks: inputs === undefined ? null : read("input_codebooks", sizes.inputCodebooks),
    products: table
      ? {
          entries: unpackCodes(bytesOf("entries"), table.bits, sizes.entries),
          scales: read("scales", sizes.scales),
          biases: read("biases", sizes.scales),
        }
      : null,
  };
}

/** Stored bytes of ids, codebooks, entries, scales and biases. */
export function vectorsBytes(outline: VectorsOutline): number {
  const { ids, codebooks, inputCodebooks, entries, scales } = sizesOf(outline);
  return (
    Math.ceil((ids * idBits(outline)) / 8) +
    4 * (codebooks + inputCodebooks + 2 * scales) +
    Math.ceil((entries * (outline.table?.bits ?? 0)) / 8)
  );
}
