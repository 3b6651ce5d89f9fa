import { z } from "zod";
import { describeActivation, isPerToken } from "../../schemes/activation.js";
import { beyondTrits, type PlanesOutline } from "../../schemes/planes.js";
import type { ActivationScheme, GridOutline } from "../../schemes/scheme.js";
import { damagedPack, type PackedGrid, type Refusal } from "../target.js";

/** How one linear is laid out, all choices made. */
export type Layout = I2sLayout | Tl1Layout | Tl2Layout;

export interface I2sLayout {
  readonly kernel: "i2_s-x86" | "i2_s-arm";
}

export interface Tl1Layout extends Tiles {
  readonly kernel: "tl1";
  /** Outputs that a step computes, `bm`: it takes 256 / bm inputs. */
  readonly stripRows: 32 | 64;
}

export interface Tl2Layout extends Tiles {
  readonly kernel: "tl2";
}

interface Tiles {
  /** Outputs of a tile, `BM`. */
  readonly tileRows: number;
  /** Inputs of a tile, `BK`: their lookups are summed in INT16. */
  readonly tileInputs: number;
}

const auto = z.literal("auto");
const tileRows = z.int().positive().multipleOf(32);
const tileInputs = z.int().positive().multipleOf(8).max(256);
const stripRows = z.union([z.literal(32), z.literal(64)]);

/** As a recipe may set them. */
export const parameters = z.strictObject({
  kernel: z
    .enum(["i2_s-x86", "i2_s-arm", "tl1", "tl2"])
    .default("i2_s-x86")
    .describe("which kernel reads the pack: I2_S in blocks of 128 (x86) or 64 (ARM), TL1 (ARM), TL2 (x86)"),
  tileRows: z
    .union([auto, tileRows])
    .default("auto")
    .describe("BM of TL1 and TL2: outputs of a tile; auto takes the first of the published ones that fits"),
  tileInputs: z
    .union([auto, tileInputs])
    .default("auto")
    .describe("BK of TL1 and TL2: inputs of a tile; auto takes the first of the published ones that fits"),
  stripRows: z
    .union([auto, stripRows])
    .default("auto")
    .describe("bm of TL1: outputs of a step; auto is 32, as TL2 always has it"),
});

export type Parameters = z.infer<typeof parameters>;

const layouts = z.discriminatedUnion("kernel", [
  z.strictObject({ kernel: z.enum(["i2_s-x86", "i2_s-arm"]) }),
  z.strictObject({ kernel: z.literal("tl1"), tileRows, tileInputs, stripRows }),
  z.strictObject({ kernel: z.literal("tl2"), tileRows, tileInputs }),
]);

/** @throws LuthierError when the pack's layout is none, or not one of its weight. */
export function layoutIn(packed: PackedGrid): { outline: PlanesOutline; layout: Layout } {
  const read = layouts.safeParse(packed.layout);
  if (!read.success) throw damagedPack(`its layout is none of bitnet-cpp: ${z.prettifyError(read.error)}`);
  const layout = layoutOf(packed.weight, { scheme: "int8", per: "token" }, parameters.parse(read.data));
  if ("reason" in layout) throw damagedPack(layout.reason);
  return { outline: packed.weight as PlanesOutline, layout };
}

/** The layout of a linear, or why it has none. */
export function layoutOf(
  weight: GridOutline,
  activation: ActivationScheme,
  chosen: Parameters,
): Layout | Refusal {
  if (!isPerToken(activation, "int8")) {
    return {
      reason: `its activations are ${describeActivation(activation)}, this target takes INT8 per token`,
      fix: "add `activation: { scheme: int8, per: token }` to the rule",
    };
  }
  const refusal = refuseWeight(weight);
  if (refusal) return refusal;
  const { rows, columns } = weight;
  if (chosen.kernel === "tl1") return tl1Layout(rows, columns, chosen);
  if (chosen.kernel === "tl2") return tl2Layout(rows, columns, chosen);
  return i2sLayout(columns, { ...chosen, kernel: chosen.kernel });
}

function refuseWeight(weight: GridOutline): Refusal | null {
  const fix = "quantize with `{ method: absmean, group: tensor }` or `{ method: twn, group: tensor }`";
  if (weight.scheme !== "planes")
    return { reason: `it is ${weight.scheme}, this target takes one trit plane`, fix };
  const beyond = beyondTrits(weight);
  if (beyond) return { reason: beyond, fix };
  if (weight.planes !== 1)
    return { reason: `it has ${weight.planes} trit planes, this target takes one`, fix };
  if (weight.scaleRows !== 1 || weight.group !== weight.columns)
    return { reason: "it has a scale a row or group, this target takes one a tensor", fix };
  return null;
}

const keepFloat = "keep these linears float";

function i2sLayout(columns: number, chosen: Parameters & I2sLayout): I2sLayout | Refusal {
  const { kernel } = chosen;
  const tiled = (["tileRows", "tileInputs", "stripRows"] as const).find((name) => chosen[name] !== "auto");
  if (tiled)
    return { reason: `${kernel} has no ${tiled}`, fix: `drop ${tiled}, or choose the kernel tl1 or tl2` };
  const block = kernel === "i2_s-x86" ? 128 : 64;
  if (columns % block === 0) return { kernel };
  return { reason: `its ${columns} inputs are no whole blocks of ${block} (${kernel})`, fix: keepFloat };
}

/** Heights of tiles that the source's models have (3,200 rows want 320 or 160), then those that narrow layers need. */
const tileHeights = [256, 320, 160, 128, 64, 32];

function tl1Layout(rows: number, columns: number, chosen: Parameters): Tl1Layout | Refusal {
  const strip = chosen.stripRows === "auto" ? 32 : chosen.stripRows;
  const height = pick(chosen.tileRows, tileHeights, (size) => rows % size === 0 && size % strip === 0);
  if (height === undefined) return noTiles(rows, chosen.tileRows, strip);
  const length = pick(chosen.tileInputs, [128, 64, 32], (size) => columns % size === 0 && size % 32 === 0);
  if (length !== undefined) return { kernel: "tl1", tileRows: height, tileInputs: length, stripRows: strip };
  const asked = chosen.tileInputs === "auto" ? 32 : chosen.tileInputs;
  return {
    reason: `its ${columns} inputs are no whole tiles of ${asked} (tl1)`,
    fix: `${keepFloat}, or set tileInputs to a multiple of 32 up to 256 that divides them`,
  };
}

/** Multiples of 24, the inputs of a sign word, whose lookups INT16 holds: the published first. */
const tl2Lengths = [96, 192, 240, 216, 168, 144, 120, 72, 48, 24];

function tl2Layout(rows: number, columns: number, chosen: Parameters): Tl2Layout | Refusal {
  if (chosen.stripRows === 64)
    return { reason: "tl2 has steps of 32 outputs", fix: "set stripRows to 32, or leave it out" };
  if (columns < 256) {
    return {
      reason: `it has ${columns} inputs, the size of a TL2 tensor is defined from 256 on`,
      fix: keepFloat,
    };
  }
  const height = pick(chosen.tileRows, tileHeights, (size) => rows % size === 0);
  if (height === undefined) return noTiles(rows, chosen.tileRows, 32);
  const length = pick(
    chosen.tileInputs,
    tl2Lengths,
    (size) => size % 24 === 0 && (columns % size) % 32 === 0,
  );
  if (length !== undefined) return { kernel: "tl2", tileRows: height, tileInputs: length };
  const asked = chosen.tileInputs === "auto" ? "any multiple of 24" : chosen.tileInputs;
  return {
    reason: `its ${columns} inputs leave no multiple of 32 beside whole tiles of ${asked} (tl2)`,
    fix: `${keepFloat}, or set tileInputs to a multiple of 24 up to 240 that leaves one`,
  };
}

function noTiles(rows: number, chosen: number | "auto", strip: number): Refusal {
  const asked = chosen === "auto" ? strip : chosen;
  return {
    reason: `its ${rows} outputs are no whole tiles of ${asked} in steps of ${strip}`,
    fix: `${keepFloat}, or set tileRows to a multiple of ${strip} that divides them`,
  };
}

function pick(chosen: number | "auto", candidates: readonly number[], fits: (size: number) => boolean) {
  return (chosen === "auto" ? candidates : [chosen]).find(fits);
}
