import { inputsPerIndex } from "./layout.js";
import type { Processor } from "./processor.js";

/** The tables of one token. */
export interface Tables {
  /** `[K / 4, 16]`, INT8. */
  readonly entries: Int8Array;
  /** `[K / activationGroup]`: what an entry's unit stands for. */
  readonly scales: Float32Array;
  /** `[K / activationGroup]`: −Σx of the group. */
  readonly biases: Float32Array;
}

/** For every four inputs the 16 signed sums, quantized with one scale an activation group. */
export function buildTables(x: Float32Array, activationGroup: number, processor: Processor): Tables {
  const { round, addLanes, toInt8 } = processor;
  const groups = x.length / activationGroup;
  const entries = new Int8Array((x.length / inputsPerIndex) * 16);
  const scales = new Float32Array(groups);
  const biases = new Float32Array(groups);
  for (let group = 0; group < groups; group++) {
    const first = group * activationGroup;
    scales[group] = tableScale(x.subarray(first, first + activationGroup), processor);
    const unit = scales[group] === 0 ? 0 : round(1 / scales[group]);
    // The kernels take 32 inputs at a time, eight tables side by side.
    for (let at = first; at < first + activationGroup; at += 32) {
      const allNegative = new Float32Array(8);
      for (let lane = 0; lane < 8; lane++) {
        const table = signedSums(x, at + lane * inputsPerIndex, processor);
        allNegative[lane] = table[0];
        const to = (at / inputsPerIndex + lane) * 16;
        for (let entry = 0; entry < 16; entry++) entries[to + entry] = toInt8(round(table[entry] * unit));
      }
      biases[group] = addLanes(biases[group], allNegative);
    }
  }
  return { entries, scales, biases };
}

/** Largest Σ|x| of four neighbours, over 127. */
function tableScale(x: Float32Array, { round, sumOfMagnitudes }: Processor): number {
  let most = 0;
  for (let i = 0; i < x.length; i += inputsPerIndex) {
    const [a, b, c, d] = [Math.abs(x[i]), Math.abs(x[i + 1]), Math.abs(x[i + 2]), Math.abs(x[i + 3])];
    const sum = sumOfMagnitudes(a, b, c, d);
    if (sum > most) most = sum;
  }
  return round(most / 127);
}

/** Entry e = Σ ±x_j, + where bit j of e is set: odd entries are summed, even ones are their mirror's negation. */
function signedSums(x: Float32Array, first: number, { round }: Processor): Float32Array {
  const table = new Float32Array(16);
  for (let entry = 1; entry < 16; entry += 2) {
    let sum = x[first];
    for (let j = 1; j < inputsPerIndex; j++)
      sum = round(entry & (1 << j) ? sum + x[first + j] : sum - x[first + j]);
    table[entry] = sum;
  }
  for (let entry = 0; entry < 16; entry += 2) table[entry] = -table[15 - entry];
  return table;
}
