/** How one ternary plane is fitted to a run of weights. */
export type TernaryRule =
  /** BitNet b1.58: `γ = mean|w|`, `t = clip(round(w / γ), −1, 1)`. */
  | "absmean"
  /** TWN: `Δ = 0.7 · mean|w|`, `t = sign(w) · [|w| > Δ]`, `α = mean(|w| : |w| > Δ)`. */
  | "twn"
  /** The k largest magnitudes that maximise `(Σ|w|)² / k`: the least-squares optimum of one ternary plane. */
  | "twn-exact";

export interface TernaryResult {
  /** One a weight: −1, 0 or 1. */
  readonly codes: Int8Array;
  /** One a run, ≥ 0, float32; whoever stores them as float16 rounds them. */
  readonly scales: Float32Array;
}

/** The least γ, as BitNet's converters clamp it. */
const leastScale = 1e-5;

/**
 * One ternary plane for runs of `group` weights; the reference of the native kernel. Sums are float64 in index order
 * (of falling magnitude for `twn-exact`), rounded once to float32; quotients are float32, half to even.
 *
 * Sources: BitNet b1.58 (arXiv 2402.17764 §2); Ternary Weight Networks (arXiv 1605.04711 §2.2).
 *
 * A run that is ternary already, all its non-zero weights of one magnitude γ, keeps γ and its signs exactly under every
 * rule: `absmean` of such a run would shrink the scale by the density of its non-zeros.
 */
export function ternary(weights: Float32Array, group: number, rule: TernaryRule): TernaryResult {
  const runs = weights.length / group;
  const codes = new Int8Array(weights.length);
  const scales = new Float32Array(runs);
  for (let run = 0; run < runs; run++) {
    const w = weights.subarray(run * group, (run + 1) * group);
    const { scale, threshold } = ternaryMagnitude(w) ?? fitted(w, rule);
    scales[run] = scale;
    for (let i = 0; i < group; i++) {
      if (Math.abs(w[i]) > threshold) codes[run * group + i] = Math.sign(w[i]);
    }
  }
  return { codes, scales };
}

interface Fit {
  readonly scale: number;
  /** Weights of a greater magnitude become ±1. */
  readonly threshold: number;
}

function ternaryMagnitude(w: Float32Array): Fit | null {
  let magnitude = 0;
  for (const value of w) {
    if (value === 0) continue;
    if (magnitude === 0) magnitude = Math.abs(value);
    else if (Math.abs(value) !== magnitude) return null;
  }
  return { scale: magnitude, threshold: 0 };
}

function fitted(w: Float32Array, rule: TernaryRule): Fit {
  if (rule === "twn-exact") return exactFit(w);
  let sum = 0;
  for (const value of w) sum += Math.abs(value);
  const mean = sum / w.length;
  if (rule === "absmean") {
    const scale = Math.fround(Math.max(mean, leastScale));
    return { scale, threshold: scale / 2 }; // |w| / γ rounds to 1 above ½; an exact half goes to the even 0
  }
  const threshold = Math.fround(0.7 * mean);
  let kept = 0;
  let count = 0;
  for (const value of w) {
    if (Math.abs(value) > threshold) {
      kept += Math.abs(value);
      count++;
    }
  }
  return { scale: Math.fround(kept / count), threshold };
}

function exactFit(w: Float32Array): Fit {
  const magnitudes = w.map(Math.abs).sort().reverse();
  let sum = 0;
  let best = 0;
  let scale = 0;
  let kept = 0;
  for (let k = 1; k <= magnitudes.length; k++) {
    sum += magnitudes[k - 1];
    const gain = (sum * sum) / k;
    if (gain > best) {
      best = gain;
      scale = sum / k;
      kept = k;
    }
  }
  // Equal magnitudes are kept or dropped together: the gain is convex along a run of equals, so its best end is one
  // of the two, and taking more at an equal gain never happens (strict comparison).
  return { scale: Math.fround(scale), threshold: kept < magnitudes.length ? magnitudes[kept] : 0 };
}
