import { z } from "zod";
import { LuthierError } from "../../error.js";
import { checkRope, type Rope, ropeScaling } from "../rope.js";

/* How the configurations of several families speak of rotary embeddings. */

const fraction = z.number().positive().max(1).nullish();
const scaling = ropeScaling.extend({ partial_rotary_factor: fraction }).nullish();

export const rotaryKeys = {
  max_position_embeddings: z.int().positive(),
  original_max_position_embeddings: z.number().positive().nullish(),
  rope_theta: z.number().positive().nullish(),
  rope_scaling: scaling,
  rope_parameters: scaling,
  partial_rotary_factor: fraction,
};

type RotaryConfig = z.infer<z.ZodObject<typeof rotaryKeys>>;

/**
 * @param theta where the configuration names none.
 * @throws LuthierError for an embedding that is not known, and for a part of the heads that is no pairs of channels.
 */
export function ropeOf(config: RotaryConfig, headSize: number, theta: number): Rope {
  const scaling = config.rope_scaling ?? config.rope_parameters ?? null;
  // Outside the scaling it takes precedence, as in transformers' `standardize_rope_params`.
  const original = config.original_max_position_embeddings ?? scaling?.original_max_position_embeddings;
  const part = scaling?.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  const rotatedSize = Math.floor(headSize * part);
  if (rotatedSize === 0 || rotatedSize % 2 !== 0) {
    throw new LuthierError(
      `config.json: ${rotatedSize} channels of each head would be rotated by position: they make no pairs`,
      "check the size of its heads and which part of them is rotated",
    );
  }
  const rope = {
    rotatedSize,
    theta: scaling?.rope_theta ?? config.rope_theta ?? theta,
    contextLength: config.max_position_embeddings,
    scaling: scaling && {
      ...scaling,
      ...{ original_max_position_embeddings: original, partial_rotary_factor: null },
    },
  };
  checkRope(rope, { longrope: true });
  return rope;
}
