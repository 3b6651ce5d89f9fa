import { LuthierError } from "../error.js";
import { linearsOf, type ModelDescription } from "../model/architecture.js";
import type { Recipe } from "../recipe/schema.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { takesStored } from "./plan.js";
import type { StoredOutlines } from "./plan-linear.js";

/** What the checkpoint holds of every linear that a recipe takes as it is stored: read before a plan is made. */
export async function storedOutlines(
  checkpoint: DequantizedCheckpoint,
  description: ModelDescription,
  recipe: Recipe,
): Promise<StoredOutlines> {
  const outlines = new Map();
  for (const linear of linearsOf(description).filter((each) => takesStored(each, recipe))) {
    const stored = checkpoint.stored.get(linear.tensor);
    if (stored === undefined) continue;
    const weight = await stored.outline().catch((error) => {
      if (error instanceof LuthierError) return error;
      throw error;
    });
    outlines.set(linear.name, { activation: stored.activation, weight });
  }
  return outlines;
}
