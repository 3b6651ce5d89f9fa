import type {
  LinearInfo,
  ModelDescription,
  ModelKind,
  Readout,
  ReadoutLayer,
  ShapeOf,
} from "../architecture.js";

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
function answersOfEveryToken(hiddenSize: number): Readout {
  return { of: "every", layers: [readoutLayer("qa_outputs", 2, hiddenSize)] };
}

/**
 * The head of an encoder: `qa_outputs`, or a classifier that reads the first token through a layer of its own.
 * @param names of that layer and of the classifier.
 */
export function encoderReadout(
  kind: ModelKind,
  hiddenSize: number,
  [dense, classifier]: readonly [dense: string, classifier: string],
  activation: "tanh" | "relu",
  shapeOf: ShapeOf,
): Readout {
  if (kind === "answering") return answersOfEveryToken(hiddenSize);
  const classes = shapeOf(`${classifier}.weight`)?.[0] ?? 0;
  return {
    of: "first",
    layers: [
      readoutLayer(dense, hiddenSize, hiddenSize, { activation }),
      readoutLayer(classifier, classes, hiddenSize),
    ],
  };
}

/**
 * What reads the last states of a decoder.
 * @param head what does in a causal model.
 */
export function decoderReadout(
  kind: ModelKind,
  head: LinearInfo,
  shapeOf: ShapeOf,
): Pick<ModelDescription, "kind" | "head" | "readout"> {
  if (kind === "causal") return { kind, head, readout: null };
  const { columns } = head;
  const readout = kind === "answering" ? answersOfEveryToken(columns) : classesOfLastToken(columns, shapeOf);
  return { kind, head: null, readout };
}

/** The classifier of decoders: `score` reads the last token of a text, the only one that has seen all. */
function classesOfLastToken(columns: number, shapeOf: ShapeOf): Readout {
  const classes = shapeOf("score.weight")?.[0] ?? 0;
  return { of: "last", layers: [readoutLayer("score", classes, columns, { hasBias: false })] };
}
