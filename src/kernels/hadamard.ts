import { type HadamardFactors, hadamardFactors } from "./hadamard-matrix.js";

export interface HadamardTask {
  /** Values of a row. */
  readonly columns: number;
  /** Neighbouring values that are mixed with one another: the order of a Hadamard matrix; divides `columns`. */
  readonly size: number;
  /** `[columns]`, by which every row is multiplied first; null for none. */
  readonly factors: Float32Array | null;
}

/**
 * Rows times an orthonormal Hadamard matrix, `(x ∘ factors) H / √size`, each run of `size` values by itself. The
 * reference of the native kernel.
 *
 * In float64, rounded to float32 once. First the cores of H, the outermost first: output j of a core is the sum of ± its
 * inputs in their order. Then the butterflies `a + b, a − b` of Sylvester's matrix, neighbours first.
 *
 * @param values `[rows, columns]`.
 * @throws RangeError when the values are no such rows or no Hadamard matrix of that order is known.
 */
export function hadamard(values: Float32Array, task: HadamardTask): Float32Array {
  const { columns, size, factors } = task;
  const { cores, power } = checkHadamard(values, task);
  const out = new Float32Array(values.length);
  const scale = 1 / Math.sqrt(size);
  for (let first = 0; first < values.length; first += size) {
    let run = Float64Array.from(values.subarray(first, first + size));
    if (factors) for (let i = 0; i < size; i++) run[i] *= factors[(first % columns) + i];
    let stride = size;
    for (const { order, signs } of cores) {
      stride /= order;
      run = timesCore(run, signs, order, stride);
    }
    for (let half = 1; half < power; half *= 2) butterflies(run, half);
    for (let i = 0; i < size; i++) out[first + i] = run[i] * scale;
  }
  return out;
}

/** @throws RangeError as `hadamard`. */
export function checkHadamard(values: Float32Array, task: HadamardTask): HadamardFactors {
  const { columns, size, factors } = task;
  const found = hadamardFactors(size);
  if (found === null) throw new RangeError(`no Hadamard matrix of order ${size} is known`);
  if (columns % size !== 0) throw new RangeError(`${columns} values are no whole runs of ${size}`);
  if (values.length % columns !== 0)
    throw new RangeError(`${values.length} values are no rows of ${columns}`);
  if (factors && factors.length !== columns)
    throw new RangeError(`${factors.length} factors are not those of ${columns} values`);
  return found;
}

/** Mixes values that lie `stride` apart, `order` of them at a time. */
function timesCore(
  run: Float64Array,
  signs: Int8Array,
  order: number,
  stride: number,
): Float64Array<ArrayBuffer> {
  const out = new Float64Array(run.length);
  for (let first = 0; first < run.length; first += order * stride) {
    for (let j = 0; j < order; j++) {
      for (let at = 0; at < stride; at++) {
        let sum = 0;
        for (let i = 0; i < order; i++) sum += signs[i * order + j] * run[first + i * stride + at];
        out[first + j * stride + at] = sum;
      }
    }
  }
  return out;
}

function butterflies(run: Float64Array, half: number): void {
  for (let first = 0; first < run.length; first += 2 * half) {
    for (let i = first; i < first + half; i++) {
      const [a, b] = [run[i], run[i + half]];
      run[i] = a + b;
      run[i + half] = a - b;
    }
  }
}
