import { type Int8Token, quantizeToken } from "../../schemes/activation.js";
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

/** What one token's product goes through. */
export interface TokenSteps {
  readonly token: Int8Token;
  /** `[⌈K / 3⌉, 27]`, ten signed bits. */
  readonly tables: Int16Array;
  readonly planes: readonly PlaneSteps[];
  /** `[N]`, float16 values: the planes' results added in their order. */
  readonly output: Float32Array;
}

export interface PlaneSteps {
  /** `[N]`, exact. */
  readonly accumulators: Int32Array;
  /** What a unit of an accumulator stands for, float32. */
  readonly factor: number;
  /** `[N]`, float16 values. */
  readonly dequantized: Float32Array;
}

/**
 * TeLLMe's table-lookup product: INT8 tokens, a table of all 27 signed sums for every three inputs, sums in INT32, which
 * is exact in any order. What follows the sum is published only as an FP16 dequantization; see `dequantized`.
 */
export function multiply(input: Matrix, planes: Planes): Matrix {
  const out = matrix(input.rows, planes.rows);
  for (let token = 0; token < input.rows; token++) {
    const x = input.data.subarray(token * input.columns, (token + 1) * input.columns);
    out.data.set(tokenSteps(x, planes).output, token * planes.rows);
  }
  return out;
}

/** One token's product with everything on the way. */
export function tokenSteps(x: Float32Array, { rows, words, scales, order }: Planes): TokenSteps {
  const token = quantizeToken(x);
  const tables = buildTables(token.codes, order);
  const planes = words.map((plane, index): PlaneSteps => {
    const accumulators = Int32Array.from({ length: rows }, (_, row) => lookUpRow(plane, row, rows, tables));
    const factor = Math.fround(scales[index] / token.scale);
    return {
      accumulators,
      factor,
      dequantized: Float32Array.from(accumulators, (sum) => dequantized(sum, factor)),
    };
  });
  const output = planes[0].dequantized.slice();
  for (const { dequantized } of planes.slice(1))
    for (let row = 0; row < rows; row++)
      output[row] = roundToFloat16(Math.fround(output[row] + dequantized[row]));
  return { token, tables, planes, output };
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
