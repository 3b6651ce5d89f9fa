import type { RowRange } from "../../checkpoint/tensor-source.js";
import { LuthierError } from "../../error.js";
import { roundToFloat16 } from "../../tensor/float.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { IntOutline } from "../int.js";
import type { ActivationScheme, GridOutline, GridScheme } from "../scheme.js";
import { dequantize } from "../weights.js";

/** A linear that a checkpoint holds quantized. */
export interface StoredLinear {
  /** Outputs N. */
  readonly rows: number;
  /** Inputs K. */
  readonly columns: number;
  /** The checkpoint's tensors that it is made of, without a bias. */
  readonly tensors: readonly string[];
  /** How the checkpoint asks for the input to be represented. */
  readonly activation: ActivationScheme;
  /**
   * The scheme that holds the weight exactly; reads scales and zero points, not the codes.
   * @throws LuthierError when the tensors do not hold together, or no scheme can hold them.
   */
  outline(): Promise<GridOutline>;
  /** @throws LuthierError as `outline`. */
  scheme(): Promise<GridScheme>;
  /** The float32 weight `[N, K]`. @throws LuthierError when the tensors do not hold together. */
  weights(): Promise<FloatRows>;
}

/** A dequantized weight whose rows are made when they are asked for: what stays in memory is the codes. */
export type FloatRows = (rows: RowRange) => Matrix;

/** What a format knows of one of its linears. */
export interface StoredTensors extends Pick<StoredLinear, "rows" | "columns" | "tensors" | "activation"> {
  readonly name: string;
  /** Everything but the codes. @throws LuthierError when it does not hold together. */
  grid(): Promise<StoredGrid>;
  /** `[N, K]`, in the order of the file. @throws LuthierError when one is none of the format. */
  codes(): Promise<Uint8Array | Int8Array>;
}

export interface StoredGrid {
  readonly outline: GridOutline;
  /** `[scaleRows, K / group]`. */
  readonly scales: Float32Array;
  /** As the scales; null when the outline has none. */
  readonly zeroPoints: Uint8Array | null;
  readonly order: InputOrder;
}

/** The inputs by their groups: `order[j]` is the input at place j, null where they lie in groups already. */
export type InputOrder = Uint32Array | null;

export function storedLinear(stored: StoredTensors): StoredLinear {
  const { name, rows, columns, tensors, activation } = stored;
  const inOrder = async () => {
    const grid = await stored.grid();
    if (grid.order === null) return grid;
    throw new LuthierError(
      `${name} was quantized in the order of its activations (g_idx of desc_act): the inputs of a group do not lie together`,
      "take a checkpoint that was quantized with desc_act: false, or quantize this one anew with another method",
    );
  };
  return {
    rows,
    columns,
    tensors,
    activation,
    outline: async () => (await inOrder()).outline,
    scheme: async () => schemeOf(await inOrder(), await stored.codes()),
    async weights() {
      const grid = await stored.grid();
      const codes = await stored.codes();
      const { order } = grid;
      if (order === null) return (range) => dequantize(rowsOfScheme(schemeOf(grid, codes), range));
      const scheme = schemeOf(grid, gathered(codes, order, rows));
      return (range) => scattered(dequantize(rowsOfScheme(scheme, range)), order);
    },
  };
}

/**
 * The grid of uniform codes with the scales and zero points of a file.
 * @param scales `[scaleRows, K / group]`; @param zeroPoints of the same shape, or null where they are `2^(bits−1)`.
 * @throws LuthierError when a scale is not finite; `where` names its tensor.
 */
export function intGrid(
  shape: Pick<IntOutline, "rows" | "columns" | "group" | "scaleRows" | "bits">,
  scales: Float32Array,
  zeroPoints: Uint8Array | null,
  order: InputOrder,
  where: string,
): StoredGrid {
  const middle = 2 ** (shape.bits - 1);
  const symmetric = zeroPoints === null || zeroPoints.every((zero) => zero === middle);
  const outline: IntOutline = { scheme: "int", symmetric, ...shape, ...dtypeOf(scales, shape, where) };
  return { outline, scales, zeroPoints: symmetric ? null : zeroPoints, order };
}

function dtypeOf(scales: Float32Array, shape: { rows: number; scaleRows: number }, where: string) {
  const wrong = scales.findIndex((scale) => !Number.isFinite(scale));
  if (wrong >= 0) {
    throw new LuthierError(
      `${where} holds ${scales[wrong]} at ${wrong}`,
      "the checkpoint is damaged: fetch it or quantize it again",
    );
  }
  const shared = shape.scaleRows === 1 && shape.rows > 1; // is float32 anyway
  const exact = shared || scales.every((scale) => roundToFloat16(scale) === scale);
  return exact ? {} : ({ scaleDtype: "F32" } as const);
}

function schemeOf({ outline, scales, zeroPoints }: StoredGrid, codes: Uint8Array | Int8Array): GridScheme {
  if (outline.scheme === "int") return { ...outline, scales, zeroPoints, codes: codes as Uint8Array };
  return { ...outline, scales, codes: codes as Int8Array };
}

/** Some rows of a scheme with one plane or of whole numbers, sharing its memory. */
function rowsOfScheme(scheme: GridScheme, { first, last }: RowRange): GridScheme {
  const { columns, group, scaleRows } = scheme;
  const groups = columns / group;
  const codes = scheme.codes.subarray(first * columns, last * columns);
  const part = <T extends Float32Array | Uint8Array>(grid: T): T =>
    scaleRows === 1 ? grid : (grid.subarray(first * groups, last * groups) as T);
  const rows = last - first;
  const some = { ...scheme, rows, scaleRows: scaleRows === 1 ? 1 : rows, codes, scales: part(scheme.scales) };
  if (scheme.scheme === "planes") return some as GridScheme;
  return { ...some, zeroPoints: scheme.zeroPoints && part(scheme.zeroPoints) } as GridScheme;
}

function gathered(codes: Uint8Array | Int8Array, order: Uint32Array, rows: number): Uint8Array | Int8Array {
  const out = codes.slice();
  for (let row = 0; row < rows; row++) {
    const first = row * order.length;
    for (let at = 0; at < order.length; at++) out[first + at] = codes[first + order[at]];
  }
  return out;
}

function scattered({ rows, columns, data }: Matrix, order: Uint32Array): Matrix {
  const out = matrix(rows, columns);
  for (let row = 0; row < rows; row++) {
    const first = row * columns;
    for (let at = 0; at < columns; at++) out.data[first + order[at]] = data[first + at];
  }
  return out;
}
