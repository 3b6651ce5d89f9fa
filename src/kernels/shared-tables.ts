import { roundToFloat16 } from "../tensor/float.js";

/** What to approximate: runs of `group` consecutive weights, each by a scale times the values of one of some tables. */
export interface SharedTablesTask {
  readonly group: number;
  /** One to 16, each of 2 to 256 rising float32 values, not all of them zeros. */
  readonly tables: readonly (readonly number[])[];
  /** Whether scales are powers of two. */
  readonly powersOfTwo: boolean;
}

export interface SharedTablesResult {
  /** One code a weight: the place of its value in the run's table. */
  readonly codes: Uint8Array;
  /** One a run; a float16 value, never zero. */
  readonly scales: Float32Array;
  /** One a run: the table. */
  readonly selectors: Uint8Array;
}

/**
 * The table of each run with the least squared error, the first of equals, its scale such that the run's largest magnitude
 * meets the table's. The reference of the native kernel.
 *
 * With `powersOfTwo` a scale from 3/4 · 2^n up to 3/2 · 2^n becomes 2^n. Scales are rounded to float16 before the codes are
 * chosen, so these are nearest for what is stored; a weight in the middle of two values takes the lower. Values, differences
 * and squares are float32, sums float64 in index order.
 */
export function sharedTables(weights: Float32Array, task: SharedTablesTask): SharedTablesResult {
  const { group, tables } = task;
  const runs = weights.length / group;
  const codes = new Uint8Array(weights.length);
  const scales = new Float32Array(runs);
  const selectors = new Uint8Array(runs);
  for (let run = 0; run < runs; run++) {
    const w = weights.subarray(run * group, (run + 1) * group);
    const most = w.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    let least = Number.POSITIVE_INFINITY;
    for (const [selector, table] of tables.entries()) {
      const scale = scaleFor(most, table, task);
      const levels = Float32Array.from(table, (value) => value * scale);
      const found = nearestLevels(w, levels);
      const error = squaredError(w, levels, found);
      if (selector > 0 && !(error < least)) continue;
      least = error;
      scales[run] = scale;
      selectors[run] = selector;
      codes.set(found, run * group);
    }
  }
  return { codes, scales, selectors };
}

function scaleFor(most: number, table: readonly number[], { powersOfTwo }: SharedTablesTask): number {
  const scale = Math.fround(most / Math.max(...table.map(Math.abs)));
  // Float16, and at least its smallest positive value: a run of zeros then has its codes like any other.
  return Math.max(roundToFloat16(powersOfTwo ? powerOfTwo(scale) : scale), 2 ** -24);
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The 2^n of which `value` is at least 3/4 and less than 3/2; 0 where that is no normal float32. */
function powerOfTwo(value: number): number {
  float[0] = value;
  bits[0] = (bits[0] + 0x400000) & 0x7f800000;
  return float[0];
}

/** Of each weight the nearest of rising levels, the lower of equally near ones. */
export function nearestLevels(w: Float32Array, levels: Float32Array): Uint8Array {
  const middles = levels.subarray(1).map((level, i) => Math.fround(levels[i] + level) * 0.5);
  return Uint8Array.from(w, (value) => {
    let low = 0;
    let high = middles.length;
    while (low < high) {
      const at = (low + high) >> 1;
      if (value > middles[at]) low = at + 1;
      else high = at;
    }
    return low;
  });
}

function squaredError(w: Float32Array, levels: Float32Array, codes: Uint8Array): number {
  return w.reduce((sum, value, i) => {
    const difference = Math.fround(value - levels[codes[i]]);
    return sum + Math.fround(difference * difference);
  }, 0);
}
