import type { ModelDescription, ShapeOf } from "../architecture.js";
import { linearsOf } from "../architecture.js";
import { expectReadout, expectShape, tensorsOf } from "./expected-shapes.js";

/** A model's description but for what follows from the rest. */
export interface FamilyParts
  extends Omit<ModelDescription, "floatTensors" | "channels" | "scalable" | "logitCap"> {
  /** Every tensor, with its shape, that is no weight or bias of a linear and not of the readout: embeddings, norms, routers. */
  readonly others: Readonly<Record<string, readonly number[]>>;
  readonly logitCap?: number | null;
}

/**
 * The description of a family that says nothing of its channels.
 * @throws LuthierError when a tensor is missing or has another shape.
 */
export function described({ others, logitCap, ...parts }: FamilyParts, shapeOf: ShapeOf): ModelDescription {
  const linears = linearsOf(parts);
  const { readout } = parts;
  for (const [tensor, shape] of Object.entries(others)) expectShape(shapeOf, tensor, shape);
  for (const { tensor, bias, rows, columns } of linears) {
    expectShape(shapeOf, tensor, [rows, columns]);
    if (bias) expectShape(shapeOf, bias, [rows]);
  }
  if (readout) expectReadout(shapeOf, readout);
  return {
    ...parts,
    logitCap: logitCap ?? null,
    floatTensors: [
      ...Object.keys(others),
      ...linears.flatMap(({ bias }) => bias ?? []),
      ...(readout ? tensorsOf(readout) : []),
    ],
    channels: [],
    scalable: [],
  };
}

/** Shapes of norms `<name>` with a weight and, of layer norms, a bias. */
export function normShapes(
  names: readonly string[],
  size: number,
  parts: readonly ("weight" | "bias")[] = ["weight", "bias"],
): Readonly<Record<string, readonly number[]>> {
  return Object.fromEntries(names.flatMap((name) => parts.map((part) => [`${name}.${part}`, [size]])));
}
