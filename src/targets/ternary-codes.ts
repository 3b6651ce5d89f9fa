import type { IntOutline, IntScheme } from "../schemes/int.js";
import { beyondTrits, type PlanesOutline } from "../schemes/planes.js";
import type { GridOutline, GridScheme } from "../schemes/scheme.js";

/*
 * One ternary plane as symmetric two-bit codes, for formats of whole numbers: trit t is the code t + 2, its zero point
 * is 2, its scale stays.
 */

const zero = 2;

/** Null for a sum of planes and for planes of anything but trits: these are no weights of such whole numbers. */
export function asIntOutline(weight: GridOutline): IntOutline | null {
  if (weight.scheme === "int") return weight;
  if (weight.planes !== 1 || beyondTrits(weight) !== null) return null;
  const { rows, columns, group, scaleRows } = weight;
  return { scheme: "int", bits: 2, symmetric: true, rows, columns, group, scaleRows };
}

/** @throws RangeError for a weight that `asIntOutline` has none for. */
export function asInt(weight: GridScheme): IntScheme {
  if (weight.scheme === "int") return weight;
  const outline = asIntOutline(weight);
  if (outline === null) throw new RangeError("only one plane of trits is a weight of whole numbers");
  return {
    ...outline,
    codes: new Uint8Array(weight.codes).map((trit) => trit + zero),
    scales: weight.scales,
    zeroPoints: null,
  };
}

/** The trits of two-bit codes. @throws RangeError for the code 0, which is no trit. */
export function planeOf(outline: PlanesOutline, { codes, scales }: IntScheme): GridScheme {
  const wrong = codes.indexOf(0);
  if (wrong >= 0) throw new RangeError(`weight ${wrong} has the code 0, trits are 1 to 3`);
  return { ...outline, codes: new Int8Array(codes).map((code) => code - zero), scales };
}
