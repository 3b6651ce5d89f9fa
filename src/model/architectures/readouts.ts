import type { Readout, ReadoutLayer, ShapeOf } from "../architecture.js";

/* Readouts that several families have. */

/** A layer `<name>` with a weight and, unless said otherwise, a bias. */
export function readoutLayer(
  name: string,
  rows: number,
  columns: number,
  { hasBias = true, activation = null }: { hasBias?: boolean; activation?: ReadoutLayer["activation"] } = {},
): ReadoutLayer {
  return { weight: `${name}.weight`, bias: hasBias ? `${name}.bias` : null, rows, columns, activation };
}

/** Of every token how likely an answer begins and ends there: `qa_outputs`. */
export function answersOfEveryToken(hiddenSize: number): Readout {
  return { of: "every", layers: [readoutLayer("qa_outputs", 2, hiddenSize)] };
}

/** The classifier of decoders: `score` reads the last token of a text, the only one that has seen all. */
export function classesOfLastToken(columns: number, shapeOf: ShapeOf): Readout {
  const classes = shapeOf("score.weight")?.[0] ?? 0;
  return { of: "last", layers: [readoutLayer("score", classes, columns, { hasBias: false })] };
}
