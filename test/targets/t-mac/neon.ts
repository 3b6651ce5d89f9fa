import type { GridScheme } from "../../../src/schemes/scheme.js";
import { float16ToNumber } from "../../../src/tensor/float.js";

const patterns = Array.from({ length: 0x7c00 }, (_, bits) => float16ToNumber(bits));

/** The nearest of all float16 values by search, ties to the even pattern. */
export function nearest(x: number): number {
  const magnitude = Math.abs(x);
  let [low, high] = [0, patterns.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (patterns[middle] <= magnitude) low = middle;
    else high = middle;
  }
  const [below, above] = [magnitude - patterns[low], patterns[high] - magnitude];
  const bits = below < above || (below === above && low % 2 === 0) ? low : high;
  return x < 0 || Object.is(x, -0) ? -patterns[bits] : patterns[bits];
}

/**
 * One token by the formulas of `lut_ctor.cc` and `tbl.cc` for NEON, with every scale, zero and code taken straight from
 * the scheme. Products of two float16 values and the sums here are exact in float64, so `nearest` is their one rounding.
 */
export function neonProduct(
  weight: GridScheme,
  token: Float32Array,
  kFactor: number,
  activationGroup: number,
  fastAggregation: boolean,
): number[] {
  const { rows, columns, group, scaleRows } = weight;
  const x = [...token].map(nearest);
  const quads = columns / 4;
  const oddEntry = (q: number, entry: number) =>
    [1, 2, 3].reduce((sum, j) => nearest(sum + (entry & (1 << j) ? x[4 * q + j] : -x[4 * q + j])), x[4 * q]);
  const signed = (q: number, entry: number) =>
    entry % 2 === 1 ? oddEntry(q, entry) : -oddEntry(q, 15 - entry);
  const inGroup = activationGroup / 4;
  const scales: number[] = [];
  const biases: number[] = [];
  for (let first = 0; first < quads; first += inGroup) {
    const sums = Array.from({ length: inGroup }, (_, i) => {
      const [a, b, c, d] = [0, 1, 2, 3].map((j) => Math.abs(x[4 * (first + i) + j]));
      return nearest(nearest(nearest(a + b) + c) + d);
    });
    scales.push(nearest(Math.max(...sums) / 127));
    let bias = 0;
    for (let eight = first; eight < first + inGroup; eight += 8) {
      let sum = signed(eight, 0);
      for (let q = eight + 1; q < eight + 8; q++) sum = Math.fround(sum + signed(q, 0));
      bias = nearest(Math.fround(bias + sum));
    }
    biases.push(bias);
  }
  const table = (q: number, entry: number) => {
    const scaled = nearest(signed(q, entry) * nearest(1 / scales[Math.floor(q / inGroup)]));
    const floor = Math.floor(scaled);
    const up = scaled - floor > 0.5 || (scaled - floor === 0.5 && floor % 2 !== 0);
    return Math.min(127, Math.max(-128, floor + (up ? 1 : 0)));
  };
  const averaged = (values: readonly number[]): number => {
    if (values.length === 1) return values[0];
    const half = values.length / 2;
    return Math.floor((averaged(values.slice(0, half)) + averaged(values.slice(half)) + 1) / 2);
  };

  const pass = (
    bits: number,
    codeOf: (row: number, k: number) => number,
    scaleAt: (i: number) => number,
    zeroPointAt: ((i: number) => number) | null,
  ) =>
    Array.from({ length: rows }, (_, row) => {
      const planes = Array.from({ length: bits }, (_, plane) => {
        let c = 0;
        for (let block = 0; block < quads; block += kFactor) {
          const at = (scaleRows === 1 ? 0 : row) * (columns / group) + Math.floor((4 * block) / group);
          const scale = nearest(scaleAt(at));
          let [sum, partial] = [0, 0];
          for (let first = block; first < block + kFactor; first += inGroup) {
            const g = first / inGroup;
            const found = Array.from({ length: inGroup }, (_, i) => {
              const q = first + i;
              let entry = 0;
              for (let j = 0; j < 4; j++) entry |= ((codeOf(row, 4 * q + j) >> plane) & 1) << j;
              return table(q, entry);
            });
            let [s, b] = [scales[g], biases[g]];
            partial = nearest(partial + b);
            if (fastAggregation) {
              s = nearest(s * inGroup);
              b = nearest(Math.fround(b - s * (inGroup === 16 ? 2 ** bits - 1 : 0)));
            }
            const v = fastAggregation ? averaged(found) : found.reduce((total, each) => total + each, 0);
            const part = nearest(plane === 0 ? v * s + b : v * s);
            sum = first === block ? part : nearest(sum + part);
          }
          c = nearest(sum * scale + c);
          if (zeroPointAt && plane === 0) {
            const zero = nearest((zeroPointAt(at) - 2 ** (bits - 1)) * scaleAt(at));
            c = nearest(zero * nearest(2 * partial) + c);
          }
        }
        return c;
      });
      const alphas = [0.5, 1, 2, 4];
      return nearest(planes.reduce((total, c, i) => Math.fround(total + c * alphas[i]), 0));
    });

  if (weight.scheme === "int") {
    const zeros = weight.zeroPoints;
    return pass(
      weight.bits,
      (row, k) => weight.codes[row * columns + k],
      (i) => weight.scales[i],
      zeros === null ? null : (i) => zeros[i],
    );
  }
  const outputs = Array.from({ length: weight.planes }, (_, plane) => {
    const count = weight.scales.length / weight.planes;
    return pass(
      2,
      (row, k) => weight.codes[(plane * rows + row) * columns + k] + 2,
      (i) => weight.scales[plane * count + i],
      null,
    );
  });
  return outputs.reduce((total, each) => total.map((y, row) => nearest(y + each[row])));
}
