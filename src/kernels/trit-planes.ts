import { float16ToNumber, numberToFloat16 } from "../tensor/float.js";

export interface TritPlanesResult {
  /** `[planes, weights]`, each −1, 0 or 1. */
  readonly codes: Int8Array;
  /** `[planes, runs]`; float16 values ≥ 0, descending over the planes of a run. */
  readonly scales: Float32Array;
}

const maxIterations = 50;
const tolerance = 1e-4; // ε: the scales have settled, in units of the run's root mean square
const split = 1 / 1024; // what sets identical planes apart after the first solve
const conditionLimit = 1e6;
const firstRidge = 1e-8; // λ
const lastRidge = 1;

/**
 * PTQTP (arXiv 2509.16989): `w ≈ Σ_p α_p t_p` for runs of `group` weights, by alternating a ridge solve for the scales
 * with an exhaustive choice of trits; the reference of the native kernel.
 *
 * What the paper leaves open is fixed here: distances in float32, sums in float64 in index order, ties to the candidate
 * that comes first in `candidates`, planes sorted by falling scale at the end, scales made positive and rounded to
 * float16, and one more choice of trits so that they are nearest for the scales that are stored.
 *
 * Two of its rules depend on accidents and are made explicit. All planes start as sign(w), so the first solve gives
 * them equal scales and only rounding errors would tell the planes apart: plane p takes (1 − p/1024) of its first scale
 * instead. And ε is an absolute 1e-4 there, which stops a run of small weights at once: here it is relative to the
 * run's root mean square, the same rule on weights of unit variance.
 */
export function tritPlanes(weights: Float32Array, group: number, planes: number): TritPlanesResult {
  const runs = weights.length / group;
  const codes = new Int8Array(planes * weights.length);
  const scales = new Float32Array(planes * runs);
  for (let run = 0; run < runs; run++) {
    const w = weights.subarray(run * group, (run + 1) * group);
    const fitted = storedScales(fitScales(w, planes));
    const trits = nearestTrits(w, fitted);
    for (let plane = 0; plane < planes; plane++) {
      scales[plane * runs + run] = fitted[plane];
      codes.set(trits[plane], plane * weights.length + run * group);
    }
  }
  return { codes, scales };
}

function fitScales(w: Float32Array, planes: number): readonly number[] {
  const settled =
    tolerance * Math.sqrt(w.reduce((sum, value) => sum + Math.fround(value * value), 0) / w.length);
  let trits: readonly Int8Array[] = Array.from({ length: planes }, () => Int8Array.from(w, Math.sign));
  let scales = solveScales(w, trits).map((scale, p) => scale * (1 - p * split));
  for (let iteration = 1; iteration < maxIterations; iteration++) {
    trits = nearestTrits(w, scales);
    const previous = scales;
    scales = solveScales(w, trits);
    const change = Math.sqrt(scales.reduce((sum, scale, p) => sum + (scale - previous[p]) ** 2, 0));
    if (change < settled) break;
  }
  return scales;
}

/** `α = (SᵀS + λI)⁻¹ Sᵀw`, λ raised tenfold while the Frobenius condition number exceeds its limit (§3 of the paper). */
function solveScales(w: Float32Array, trits: readonly Int8Array[]): number[] {
  const gram = trits.map((a) => trits.map((b) => a.reduce((sum, trit, i) => sum + trit * b[i], 0)));
  const right = trits.map((trit) => w.reduce((sum, value, i) => sum + trit[i] * value, 0));
  for (let ridge = firstRidge; ; ridge *= 10) {
    const { adjugate, determinant, condition } = invert(gram, ridge);
    if (condition <= conditionLimit || ridge >= lastRidge) {
      return adjugate.map((row) => row.reduce((sum, entry, p) => sum + entry * right[p], 0) / determinant);
    }
  }
}

/** Closed-form inverse of `gram + ridge · I` for one to three planes, as adjugate over determinant. */
function invert(gram: readonly (readonly number[])[], ridge: number) {
  const at = (i: number, j: number) => gram[i][j] + (i === j ? ridge : 0);
  const adjugate = adjugateOf(at, gram.length);
  const determinant = adjugate.reduce((sum, row, j) => sum + at(0, j) * row[0], 0);
  let squares = 0;
  let adjugateSquares = 0;
  for (let i = 0; i < gram.length; i++) {
    for (let j = 0; j < gram.length; j++) {
      squares += at(i, j) * at(i, j);
      adjugateSquares += adjugate[i][j] * adjugate[i][j];
    }
  }
  // A determinant that rounding made zero or negative is as singular as can be.
  const condition =
    determinant > 0 ? Math.sqrt(squares * adjugateSquares) / determinant : Number.POSITIVE_INFINITY;
  return { adjugate, determinant, condition };
}

function adjugateOf(at: (i: number, j: number) => number, size: number): readonly (readonly number[])[] {
  if (size === 1) return [[1]];
  if (size === 2) {
    return [
      [at(1, 1), -at(0, 1)],
      [-at(0, 1), at(0, 0)],
    ];
  }
  const [a, b, c, d, e, f] = [at(0, 0), at(0, 1), at(0, 2), at(1, 1), at(1, 2), at(2, 2)];
  const ab = c * e - b * f;
  const ac = b * e - c * d;
  const bc = b * c - a * e;
  return [
    [d * f - e * e, ab, ac],
    [ab, a * f - c * c, bc],
    [ac, bc, a * d - b * b],
  ];
}

/** For every weight the trits whose level `Σ α_p c_p` is nearest; a later candidate must be strictly nearer. */
function nearestTrits(w: Float32Array, scales: readonly number[]): readonly Int8Array[] {
  const choices = candidates(scales.length);
  const levels = choices.map((choice) =>
    Math.fround(choice.reduce((sum, trit, p) => sum + trit * scales[p], 0)),
  );
  const trits = scales.map(() => new Int8Array(w.length));
  for (let i = 0; i < w.length; i++) {
    let best = 0;
    let least = Math.abs(w[i]); // the first candidate is all zeros
    for (let c = 1; c < levels.length; c++) {
      const distance = Math.abs(Math.fround(w[i] - levels[c]));
      if (distance < least) {
        least = distance;
        best = c;
      }
    }
    for (let p = 0; p < trits.length; p++) trits[p][i] = choices[best][p];
  }
  return trits;
}

const candidateLists = [1, 2, 3].map(listCandidates);

/**
 * All 3^planes trit vectors in the order that decides ties: fewer non-zero trits first, then zero before +1 before −1
 * from the first plane on, so that of two sparse choices the one in the later (finer) plane wins.
 */
export function candidates(planes: number): readonly (readonly number[])[] {
  return candidateLists[planes - 1];
}

function listCandidates(planes: number): readonly (readonly number[])[] {
  let vectors: number[][] = [[]];
  for (let p = 0; p < planes; p++)
    vectors = vectors.flatMap((head) => [0, 1, -1].map((trit) => [...head, trit]));
  const nonZeros = (vector: readonly number[]) => vector.filter((trit) => trit !== 0).length;
  return vectors.sort((a, b) => nonZeros(a) - nonZeros(b)); // stable: keeps the order above within a class
}

/** Positive (a negative scale flips its plane, which the last choice of trits does), falling, float16. */
function storedScales(scales: readonly number[]): readonly number[] {
  return scales.map((scale) => float16ToNumber(numberToFloat16(Math.abs(scale)))).sort((a, b) => b - a);
}
