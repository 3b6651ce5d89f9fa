import { quantizeToken } from "../../schemes/activation.js";
import { roundToFloat16 } from "../../tensor/float.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import {
  type DigitOrder,
  digitPlaces,
  indicesPerWord,
  readIndex,
  weightsPerIndex,
  wordPlace,
} from "./layout.js";

export interface Planes {
  readonly rows: number;
  readonly columns: number;
  readonly order: DigitOrder;
  /** Index words of each plane. */
  readonly words: readonly Uint8Array[];
  /** One a plane. */
  readonly scales: Float32Array;
}

/**
 * TeLLMe's table-lookup product: INT8 tokens, a table of all 27 signed sums for every three inputs, sums in INT32, which
 * is exact in any order. What follows the sum is published only as an FP16 dequantization; see `dequantized`.
 */
export function multiply(input: Matrix, planes: Planes): Matrix {
  const out = matrix(input.rows, planes.rows);
  for (let token = 0; token < input.rows; token++) {
    const x = quantizeToken(input.data.subarray(token * input.columns, (token + 1) * input.columns));
    const tables = buildTables(x.codes, planes.order);
    const y = out.data.subarray(token * planes.rows, (token + 1) * planes.rows);
    for (const [plane, words] of planes.words.entries()) {
      const factor = Math.fround(planes.scales[plane] / x.scale);
      for (let row = 0; row < planes.rows; row++) {
        const part = dequantized(lookUpRow(words, row, planes.rows, tables), factor);
        y[row] = plane === 0 ? part : roundToFloat16(Math.fround(y[row] + part));
      }
    }
  }
  return out;
}

/** `[⌈K / 3⌉, 27]`: entry e = Σ (digit − 1) · x over the digits of e; ten signed bits hold it (3 · 128). */
export function buildTables(codes: Int8Array, order: DigitOrder): Int16Array {
  const tables = new Int16Array(Math.ceil(codes.length / weightsPerIndex) * 27);
  const places = digitPlaces(order);
  for (let at = 0, first = 0; at < tables.length; at += 27, first += weightsPerIndex) {
    for (let entry = 0; entry < 27; entry++) {
      for (let digit = 0; digit < weightsPerIndex; digit++) {
        const trit = (Math.floor(entry / places[digit]) % 3) - 1;
        tables[at + entry] += trit * (codes[first + digit] ?? 0);
      }
    }
  }
  return tables;
}

/** INT32 sum of one output's lookups. */
function lookUpRow(words: Uint8Array, row: number, rows: number, tables: Int16Array): number {
  let sum = 0;
  for (let index = 0; index * 27 < tables.length; index++) {
    sum += tables[index * 27 + readIndex(words, wordPlace(row, index, rows), index % indicesPerWord)];
  }
  return sum;
}

/** `float16(float32(sum) · factor)`: the product is float32, the result float16. */
function dequantized(sum: number, factor: number): number {
  return roundToFloat16(Math.fround(Math.fround(sum) * factor));
}
