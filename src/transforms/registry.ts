import { awq } from "./awq.js";
import { foldNorms } from "./fold-norms.js";
import { hadamard } from "./hadamard.js";
import { pairing } from "./pairing.js";
import { smoothquant } from "./smoothquant.js";
import type { OrderTransform, ScaleTransform, Transform } from "./transform.js";

/** Every transform; a new one adds its file and a line here. */
export const transforms: readonly (Transform | OrderTransform | ScaleTransform)[] = [
  pairing,
  foldNorms,
  smoothquant,
  awq,
  hadamard,
];

/** Whether one of some names is fitted to calibration text. */
export function needText(names: readonly string[]): boolean {
  return transforms.some(({ name, needsText }) => needsText && names.includes(name));
}

/** A transform that puts channels in another order; null when the one of that name does not. */
export function findOrderTransform(name: string): OrderTransform | null {
  const found = transforms.find((transform) => transform.name === name);
  return found && "order" in found ? found : null;
}

/** A transform that scales channels; null when the one of that name does not. */
export function findScaleTransform(name: string): ScaleTransform | null {
  const found = transforms.find((transform) => transform.name === name);
  return found && "fit" in found ? found : null;
}
