import { z } from "zod";
import { hadamardSize } from "../kernels/hadamard-matrix.js";
import type { ChannelGroup, ModelDescription } from "../model/architecture.js";
import type { Rotation } from "../schemes/rotation.js";
import type { Transform } from "./transform.js";

const options = z.strictObject({
  online: z
    .boolean()
    .default(false)
    .describe("rotate the inputs of o_proj and down_proj too, each time that they are computed"),
  signs: z
    .boolean()
    .default(true)
    .describe("random signs, from the recipe's seed, for the channels of the residual stream first"),
});

export type HadamardOptions = z.infer<typeof options>;

/**
 * Rotates what linears read, so that what few channels hold is spread over all of them: the residual stream, and the values
 * of each head. Exact: norms are folded into the linears behind them, which are rotated with what they read and write.
 */
export const hadamard: Transform<HadamardOptions> = {
  name: "hadamard",
  summary: "rotate the residual stream and the values by Hadamard matrices, so that no channel stands out",
  source: "QuaRot (arXiv 2404.00456 §4)",
  options,
  needsText: false,
};

/** The options of the rotation among some transforms; null when it is not one of them. */
export function hadamardOf(transforms: readonly { readonly transform: string }[]): HadamardOptions | null {
  const chosen = transforms.find(({ transform }) => transform === hadamard.name);
  if (chosen === undefined) return null;
  const { transform: _, ...given } = chosen;
  return options.parse(given);
}

/** What is rotated of a model. */
export interface Rotations {
  /** Channels that are rotated in the weights, each group by itself. */
  readonly groups: readonly ChannelGroup[];
  /** Rotations that are computed with the linears, by their names. */
  readonly inputs: ReadonlyMap<string, Rotation>;
}

/**
 * What can be rotated for nothing is everything that linears alone mix. The rest, the inputs of down_proj, is behind an
 * activation: it has to be rotated when it is there. With `online` so is the input of o_proj, all heads at once, instead of
 * each head's values by themselves.
 */
export function rotationsOf(
  { channels, blocks }: ModelDescription,
  { online }: Pick<HadamardOptions, "online">,
): Rotations {
  const rotatable = channels.filter((group) => group.rotatable);
  if (!online) return { groups: rotatable, inputs: new Map() };
  const groups = rotatable.filter(({ name }) => name === "residual");
  const read = new Set(
    groups.flatMap(({ places }) => places.map(({ tensor, along }) => `${along} of ${tensor}`)),
  );
  const others = blocks.flat().filter(({ tensor }) => !read.has(`columns of ${tensor}`));
  const inputs = others.map(({ name, columns }): [string, Rotation] => [
    name,
    { kind: "hadamard", size: hadamardSize(columns) },
  ]);
  return { groups, inputs: new Map(inputs) };
}

/** What is rotated, in one line for people; it says where a size has no Hadamard matrix. */
export function rotationNote(description: ModelDescription, chosen: HadamardOptions): string {
  const { groups, inputs } = rotationsOf(description, chosen);
  const ofChannels = groups.map(({ name, size }) => {
    const what = name === "residual" ? "residual stream" : "values of each head";
    return `${what} ${sizeText(size)}`;
  });
  const ofInputs = [...inputs].map(([name]) => {
    const columns = description.blocks.flat().find((linear) => linear.name === name)?.columns ?? 0;
    return `input of ${name.split(".").at(-1)} ${sizeText(columns)} when it runs`;
  });
  return `rotated by Hadamard matrices: ${[...new Set([...ofChannels, ...ofInputs])].join("; ")}`;
}

function sizeText(channels: number): string {
  const size = hadamardSize(channels);
  if (size === channels) return `of ${channels}`;
  return `of ${channels} in runs of ${size}, for no Hadamard matrix of order ${channels} is known here`;
}
