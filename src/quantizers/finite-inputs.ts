import { LuthierError } from "../error.js";

/**
 * Refuses an input that is NaN or infinite somewhere on the calibration text.
 *
 * @param linears those that read it.
 * @param channels `[K]`: what is finite only where all of a channel's values are.
 * @throws LuthierError naming the linears and the channel.
 */
export function expectFiniteInput(
  linears: readonly { readonly name: string }[],
  channels: Float32Array | Float64Array,
): void {
  const channel = channels.findIndex((value) => !Number.isFinite(value));
  if (channel < 0) return;
  const names = linears.map(({ name }) => name).join(", ");
  throw notFiniteOnText(`the input of ${names} is not finite at channel ${channel}`);
}

/** @param what as in `the input of q_proj is not finite`. */
export function notFiniteOnText(what: string): LuthierError {
  return new LuthierError(
    `on the calibration text ${what}`,
    "check that the checkpoint is whole: the model computes NaN or infinity",
  );
}
