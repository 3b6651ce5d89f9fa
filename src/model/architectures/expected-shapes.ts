import { LuthierError } from "../../error.js";
import type { Readout, ShapeOf } from "../architecture.js";

/* What every family checks before it is computed: that the tensors are those that its configuration speaks of. */

/** @throws LuthierError when a tensor is missing or has another shape. */
export function expectShape(shapeOf: ShapeOf, name: string, expected: readonly number[]): void {
  const shape = shapeOf(name);
  if (shape?.join() === expected.join()) return;
  throw new LuthierError(
    `tensor ${name} ${shape ? `has shape [${shape.join(", ")}]` : "is missing"}, config.json asks for [${expected.join(", ")}]`,
    "check that config.json belongs to these weights",
  );
}

/** @throws LuthierError when a layer's tensor is missing or has another shape. */
export function expectReadout(shapeOf: ShapeOf, { layers }: Readout): void {
  for (const { weight, bias, rows, columns } of layers) {
    expectShape(shapeOf, weight, [rows, columns]);
    if (bias !== null) expectShape(shapeOf, bias, [rows]);
  }
}

export function tensorsOf({ layers }: Readout): readonly string[] {
  return layers.flatMap(({ weight, bias }) => [weight, ...(bias === null ? [] : [bias])]);
}
