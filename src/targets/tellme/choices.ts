import { z } from "zod";
import { beyondTrits } from "../../schemes/planes.js";
import type { GridOutline } from "../../schemes/scheme.js";
import type { Place, Refusal } from "../target.js";
import { type Image, type UramArray, uramBlocks } from "./image.js";
import { type DigitOrder, wordsAlong } from "./layout.js";

/* What a recipe may choose, and the layout that comes of it for a linear. */

const digitOrder = z.enum(["first-least-significant", "first-most-significant"]);

export const parameters = z.strictObject({
  digitOrder: digitOrder
    .default("first-least-significant")
    .describe("which of three weights is the lowest base-3 digit of an index; not published"),
  image: z
    .enum(["words", "packets", "uram"])
    .default("words")
    .describe(
      "where words lie: one after another, in the 768-bit packets from DDR memory, or in the banks of the URAM array",
    ),
  rotaryRows: z
    .enum(["as-in-model", "paired"])
    .default("as-in-model")
    .describe("the rows of query and key heads: paired puts side by side those that are rotated together"),
  columnsPerCycle: z
    .int()
    .positive()
    .multipleOf(2)
    .max(4096)
    .default(16)
    .describe("Q, outputs that are looked up in a cycle: the URAM array has Q / 2 banks; not published"),
});

export type Parameters = z.infer<typeof parameters>;

/** How one linear is laid out, all choices made. */
export type Layout = Image & {
  readonly digitOrder: DigitOrder;
  /** Size of the heads whose rows are paired; 0: rows are in the model's order. */
  readonly pairedHeadSize: number;
};

const everyImage = { digitOrder, pairedHeadSize: z.int().nonnegative().multipleOf(2) };

export const layoutSchema: z.ZodType<Layout> = z.discriminatedUnion("image", [
  z.strictObject({ image: z.literal("words"), ...everyImage }),
  z.strictObject({ image: z.literal("packets"), ...everyImage }),
  z.strictObject({
    image: z.literal("uram"),
    arrayBlocks: z.int().positive(),
    arraySlices: z.int().positive(),
    arrayOutputs: z.int().positive(),
    banks: z.int().positive(),
    ...everyImage,
  }),
]);

export function layoutOf(weight: GridOutline, chosen: Parameters, place?: Place): Layout | Refusal {
  const { digitOrder, rotaryRows, columnsPerCycle } = chosen;
  const image =
    chosen.image === "uram" ? place && uramArray(place, columnsPerCycle) : { image: chosen.image };
  if (image === undefined || (rotaryRows === "paired" && place === undefined)) {
    return {
      reason: `\`image: ${chosen.image}\` with \`rotaryRows: ${rotaryRows}\` depends on the model that it is of`,
      fix: "pack it from a run, or use `image: words` or `packets` with `rotaryRows: as-in-model`",
    };
  }
  const pairedHeadSize = rotaryRows === "paired" ? (place?.rotaryHeadSize ?? 0) : 0;
  const layout = { ...image, digitOrder, pairedHeadSize };
  return fitting(weight, layout) ?? layout;
}

/** The array that holds every linear of a block, inputs padded to whole words. */
function uramArray({ hiddenSize, feedForwardSize }: Place, columnsPerCycle: number): UramArray {
  const arraySlices = wordsAlong(hiddenSize);
  const ofDown = Math.ceil(wordsAlong(feedForwardSize) / arraySlices);
  const ofUp = Math.ceil(feedForwardSize / hiddenSize);
  return {
    image: "uram",
    arrayBlocks: Math.max(ofDown, ofUp),
    arraySlices,
    arrayOutputs: hiddenSize,
    banks: columnsPerCycle / 2,
  };
}

/** Why a weight does not lie so; null when it does. */
export function fitting(weight: GridOutline, layout: Layout): Refusal | null {
  const fix = "quantize with `{ method: absmean, group: tensor }` or `{ method: twn, group: tensor }`";
  if (weight.scheme !== "planes")
    return { reason: `it is ${weight.scheme}, this target takes trit planes`, fix };
  const beyond = beyondTrits(weight);
  if (beyond) return { reason: beyond, fix };
  if (weight.scaleRows !== 1 || weight.group !== weight.columns)
    return { reason: "it has a scale a row or group, this target takes one a tensor", fix };
  const { rows } = weight;
  if (layout.pairedHeadSize > 0 && rows % layout.pairedHeadSize !== 0) {
    return {
      reason: `its ${rows} outputs are no whole heads of ${layout.pairedHeadSize}`,
      fix: "use `rotaryRows: as-in-model`",
    };
  }
  if (layout.image !== "uram") return null;
  const blocks = uramBlocks(weight, layout);
  if (typeof blocks === "number") return null;
  return { reason: blocks, fix: "keep these linears float, or use `image: words` or `packets`" };
}
