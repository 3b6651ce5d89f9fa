import { fusedMultiplyAddFloat16, roundToFloat16 } from "../../tensor/float.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import { type SignWeight, widened } from "./layout.js";

/*
 * LUT-GEMM's matrix-vector kernels (naver-aics/lut-gemm, mv_fp16_bias.hpp and mv_fp16.hpp), thread by thread: every
 * value is float16, every sum is rounded at once, and the thread blocks along K are added in ascending order.
 *
 * A sum of two float16 values is formed in float64, where it is exact, and goes to float16 by way of float32: 24 bits are
 * at least twice 11 and two more, so rounding twice is rounding once (Figueroa, "When is double rounding innocuous?").
 */

/** Inputs behind one table of 256 entries: μ. */
const inputsPerTable = 8;

/** What one token's product goes through; all values float16. */
export interface TokenSteps {
  /** `[K]` */
  readonly input: Float32Array;
  /** `[K / 8, 256]`: signed sums of eight inputs. */
  readonly tables: Float32Array;
  /** `[K / kTile]`: the sum of a tile's inputs, from the last entries of its tables; null without a bias. */
  readonly inputSums: Float32Array | null;
  /** `[K / kTile, planes, N]`: sums of a tile's table entries. */
  readonly lookupSums: Float32Array;
  /** `[K / kTile, N]`: what each tile adds to the output. */
  readonly tileOutputs: Float32Array;
  /** `[N]` */
  readonly output: Float32Array;
}

/** Outputs `[tokens, N]`. */
export function multiply(input: Matrix, weight: SignWeight): Matrix {
  const out = matrix(input.rows, weight.rows);
  for (let token = 0; token < input.rows; token++) {
    const x = input.data.subarray(token * input.columns, (token + 1) * input.columns);
    out.data.set(tokenSteps(x, weight).output, token * weight.rows);
  }
  return out;
}

/** One token's product with everything on the way. */
export function tokenSteps(x: Float32Array, weight: SignWeight): TokenSteps {
  const { rows, columns, kTile, planes, group } = weight;
  const input = x.map(roundToFloat16);
  const tables = buildTables(input, kTile);
  const inputSums = weight.bias && sumsOfInputs(tables, kTile);
  const lookupSums = lookUp(tables, weight);
  const [alpha, bias] = [widened(weight.alpha), weight.bias && widened(weight.bias)];
  const tiles = columns / kTile;
  const tileOutputs = new Float32Array(tiles * rows);
  const output = new Float32Array(rows);
  for (let tile = 0; tile < tiles; tile++) {
    const scales = Math.floor((tile * kTile) / group);
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      if (bias && inputSums) sum = fusedMultiplyAddFloat16(bias[scales * rows + row], inputSums[tile], sum);
      for (let plane = 0; plane < planes; plane++) {
        const lookups = lookupSums[(tile * planes + plane) * rows + row];
        sum = fusedMultiplyAddFloat16(alpha[(scales * planes + plane) * rows + row], lookups, sum);
      }
      tileOutputs[tile * rows + row] = sum;
      output[row] = roundToFloat16(output[row] + sum);
    }
  }
  return { input, tables, inputSums, lookupSums, tileOutputs, output };
}

/**
 * For every eight inputs the 256 signed sums, + where bit j of the entry's number is set for input j. A thread block has
 * 256 threads for its tables: so many entries of each are summed directly, from x₀ on and with the last inputs negative;
 * each further half is the one before it plus twice an input.
 */
export function buildTables(input: Float32Array, kTile: number): Float32Array {
  const direct = 256 / (kTile / inputsPerTable);
  const tables = new Float32Array((input.length / inputsPerTable) * 256);
  for (let table = 0; table < tables.length; table += 256) {
    const x = input.subarray((table / 256) * inputsPerTable, (table / 256 + 1) * inputsPerTable);
    for (let entry = 0; entry < direct; entry++) {
      let sum = entry & 1 ? x[0] : -x[0];
      for (let j = 1; j < inputsPerTable; j++)
        sum = roundToFloat16(entry & (1 << j) ? sum + x[j] : sum - x[j]);
      tables[table + entry] = sum;
    }
    for (let entry = direct; entry < 256; entry++) {
      const highest = 31 - Math.clz32(entry);
      // Twice an input is exact in the FMA that the compiler makes of it, beyond float16's range too.
      tables[table + entry] = roundToFloat16(tables[table + entry - 2 ** highest] + 2 * x[highest]);
    }
  }
  return tables;
}

/** The last entries of a tile's tables, all signs +, added one by one. */
function sumsOfInputs(tables: Float32Array, kTile: number): Float32Array {
  const perTile = (kTile / inputsPerTable) * 256;
  return Float32Array.from({ length: tables.length / perTile }, (_, tile) => {
    let sum = 0;
    for (let at = tile * perTile + 255; at < (tile + 1) * perTile; at += 256)
      sum = roundToFloat16(sum + tables[at]);
    return sum;
  });
}

/** A tile's four or eight lookups, byte by byte of its words, added one by one. */
function lookUp(tables: Float32Array, { words, rows, columns, kTile, planes }: SignWeight): Float32Array {
  const sums = new Float32Array((columns / kTile) * planes * rows);
  const lookups = kTile / inputsPerTable;
  for (let at = 0; at < sums.length; at++) {
    const tile = Math.floor(at / (planes * rows));
    const planeAndRow = at % (planes * rows);
    let sum = 0;
    for (let lookup = 0; lookup < lookups; lookup++) {
      const table = tile * lookups + lookup;
      const word = Math.floor(table / 4) * planes * rows + planeAndRow;
      sum = roundToFloat16(sum + tables[table * 256 + words[word * 4 + (table % 4)]]);
    }
    sums[at] = sum;
  }
  return sums;
}
