import { pairing } from "./pairing.js";
import type { Transform } from "./transform.js";

/** Every transform; a new one adds its file and a line here. */
export const transforms: readonly Transform[] = [pairing];

/** @throws RangeError for a name that the recipe's schema does not know. */
export function findTransform(name: string): Transform {
  const found = transforms.find((transform) => transform.name === name);
  if (found === undefined) throw new RangeError(`no transform ${name}`);
  return found;
}
