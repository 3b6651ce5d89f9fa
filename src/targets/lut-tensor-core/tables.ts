import { roundHalfToEven } from "../../kernels/round-to-nearest.js";
import { type QuantizedToken, quantizeToken, quantizeTokenToInt16 } from "../../schemes/activation.js";
import { roundToFloat8, roundToFloat16 } from "../../tensor/float.js";
import { type InputFormat, inputsPerTable, type Layout } from "./layout.js";

/*
 * The tables of one token (arXiv 2408.06003, precompute and symmetrization): for every four inputs the eight sums in
 * which the last one is subtracted; the other eight are their negations.
 */

/** Entries of a half table. */
export const entriesPerTable = 8;

export interface Tables {
  /** `[K]`: the inputs in the format that the tables are made of, integers for integer formats. */
  readonly inputs: ArrayLike<number>;
  /** `[K / 4, 8]`, float32, before they are rounded; null for integer inputs. */
  readonly sums: Float32Array | null;
  /** `[K / 4, 8]`: INT8 for float inputs, exact sums of integer ones. */
  readonly entries: Int32Array;
  /** `[K / tableGroup]`: what an entry's unit stands for; null for integer inputs. */
  readonly scales: Float32Array | null;
  /** `[K / group]`: Σx of a weight group: float32, or exact. */
  readonly inputSums: Float32Array | Int32Array;
  /** `1 / scale` of the token's codes, float32; 1 for float inputs. */
  readonly tokenUnit: number;
}

/** The tables of a token's inputs `[K]` in weight groups of `group`. */
export function buildTables(x: Float32Array, group: number, layout: Layout): Tables {
  const { input } = layout;
  if (input === "int8") return integerTables(quantizeToken(x), group);
  if (input === "int16") return integerTables(quantizeTokenToInt16(x), group);
  return floatTables(x.map(rounding[input]), group, layout);
}

const rounding: Record<Exclude<InputFormat, "int8" | "int16">, (value: number) => number> = {
  float16: roundToFloat16,
  e4m3: (value) => roundToFloat8("F8_E4M3", value),
  e5m2: (value) => roundToFloat8("F8_E5M2", value),
};

function floatTables(inputs: Float32Array, group: number, { tableScale, tableGroup }: Layout): Tables {
  const sums = signedSums(inputs, Math.fround);
  const entries = new Int32Array(sums.length);
  const scales = new Float32Array(inputs.length / tableGroup);
  const perScale = sums.length / scales.length;
  for (let at = 0; at < scales.length; at++) {
    const shared = sums.subarray(at * perScale, (at + 1) * perScale);
    const most = shared.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const { scale, unit } = tableScale === "power-of-two" ? powerOfTwoScale(most) : absmaxScale(most);
    scales[at] = scale;
    for (let i = 0; i < perScale; i++)
      entries[at * perScale + i] = roundHalfToEven(Math.fround(shared[i] * unit));
  }
  const inputSums = new Float32Array(inputs.length / group);
  sumGroups(inputs, group, inputSums, Math.fround);
  return { inputs, sums, entries, scales, inputSums, tokenUnit: 1 };
}

/** A unit of the largest magnitude over 127, and its reciprocal. */
function absmaxScale(most: number): { scale: number; unit: number } {
  return { scale: Math.fround(most / 127), unit: most === 0 ? 0 : Math.fround(127 / most) };
}

/** The least power of two that is not below it: entries are shifted, not multiplied. */
function powerOfTwoScale(most: number): { scale: number; unit: number } {
  if (most === 0 || !Number.isFinite(most)) return absmaxScale(most);
  let scale = 2 ** Math.floor(Math.log2(most / 127) - 0.5); // at most the wanted one, however log2 rounds
  while (127 * scale < most) scale *= 2;
  return { scale, unit: 1 / scale };
}

function integerTables({ codes, scale }: QuantizedToken<Int8Array | Int16Array>, group: number): Tables {
  const exact = (value: number) => value;
  const inputSums = new Int32Array(codes.length / group);
  sumGroups(codes, group, inputSums, exact);
  const entries = Int32Array.from(signedSums(codes, exact));
  return { inputs: codes, sums: null, entries, scales: null, inputSums, tokenUnit: Math.fround(1 / scale) };
}

/** Entry e of four inputs is `((±x₀ ± x₁) ± x₂) − x₃`, + where bit j of e is set, each addition rounded by `round`. */
function signedSums(x: ArrayLike<number>, round: (sum: number) => number): Float32Array {
  const sums = new Float32Array(2 * x.length); // integer sums stay below 2^18
  for (let at = 0, first = 0; first < x.length; first += inputsPerTable) {
    for (let entry = 0; entry < entriesPerTable; entry++, at++) {
      let sum = entry & 1 ? x[first] : -x[first];
      for (let j = 1; j < inputsPerTable; j++)
        sum = round(entry & (1 << j) ? sum + x[first + j] : sum - x[first + j]);
      sums[at] = sum;
    }
  }
  return sums;
}

/** Σx of every group: the inputs of a table left to right, then the tables in their order. */
function sumGroups(
  x: ArrayLike<number>,
  group: number,
  out: Float32Array | Int32Array,
  round: (sum: number) => number,
): void {
  for (let first = 0; first < x.length; first += inputsPerTable) {
    let sum = x[first];
    for (let j = 1; j < inputsPerTable; j++) sum = round(sum + x[first + j]);
    out[Math.floor(first / group)] += sum;
  }
}
