import { foldNorms } from "./fold-norms.js";
import { pairing } from "./pairing.js";
import type { OrderTransform, Transform } from "./transform.js";

/** Every transform; a new one adds its file and a line here. */
export const transforms: readonly (Transform | OrderTransform)[] = [pairing, foldNorms];

/** Those of some names that put channels in another order, in the order of the names. */
export function orderTransforms(names: readonly string[]): readonly OrderTransform[] {
  return names.flatMap((name) => {
    const found = transforms.find((transform) => transform.name === name);
    return found && "order" in found ? found : [];
  });
}
