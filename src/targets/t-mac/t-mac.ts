import { z } from "zod";
import { LuthierError } from "../../error.js";
import { describeActivation } from "../../schemes/activation.js";
import { beyondTrits } from "../../schemes/planes.js";
import type { ActivationScheme, GridOutline } from "../../schemes/scheme.js";
import { outlineOf } from "../../schemes/weights.js";
import {
  type Arithmetic,
  damagedPack,
  type GridTarget,
  type PackedGrid,
  type Refusal,
  refuseUnsound,
} from "../target.js";
import { multiply, type PassShape } from "./arithmetic.js";
import { tMacCost } from "./cost.js";
import { type Layout, packWeight, passesOf, unpackWeight } from "./layout.js";
import { multiplyNative } from "./native.js";
import { traceToken } from "./trace.js";

const parameters = z.strictObject({
  tileRows: z
    .union([z.literal("auto"), z.int().positive().multipleOf(32)])
    .default("auto")
    .describe("bm: expanded rows (outputs × bits) of a tile; auto takes the largest published one that fits"),
  kFactor: z
    .union([z.literal("auto"), z.literal(8), z.literal(16)])
    .default("auto")
    .describe("kfactor: table indices that are walked before the next rows; auto takes the larger that fits"),
  activationGroup: z
    .union([z.literal("auto"), z.literal(32), z.literal(64), z.literal("token")])
    .default("auto")
    .describe(
      "inputs that share one table scale; auto takes 64 where it fits, the default of T-MAC; token: all, with one weight scale a tensor",
    ),
  float: z
    .enum(["float32", "float16"])
    .default("float32")
    .describe("floating point of scales, tables and sums: float32 as on x86, float16 as on ARM"),
  aggregation: z
    .enum(["exact", "fast"])
    .default("exact")
    .describe("how lookups are joined: added, or averaged with rounding (ARM only; loses accuracy)"),
});

type Parameters = z.infer<typeof parameters>;

/** T-MAC: table lookups for 1- to 4-bit weights with float activations, as x86 (float32) or ARM (float16) does them. */
export const tMac: GridTarget<Parameters, Arithmetic> = {
  name: "t-mac",
  summary:
    "T-MAC CPU kernels (x86 in float32, ARM in float16): 1- to 4-bit codes, trit planes as 2-bit passes",
  source: "microsoft/T-MAC; arXiv 2407.00088",
  parameters,
  takesFloat32Scales: true,
  takesFloatZeroPoints: true,
  cost: tMacCost,
  typical: { quantize: { method: "rtn", bits: 2, group: 128, clip: true } },
  refuse(weight, activation, chosen) {
    const layout = layoutOf(weight, activation, chosen);
    return "reason" in layout ? layout : null;
  },
  pack(weight, chosen) {
    const layout = layoutOf(weight, { scheme: "float" }, chosen);
    if ("reason" in layout)
      throw new LuthierError(`t-mac does not take this linear: ${layout.reason}`, layout.fix);
    return { weight: outlineOf(weight), layout: { ...layout }, tensors: packWeight(weight, layout) };
  },
  unpack: (packed) => unpackWeight(packed.tensors, packed.weight, layoutIn(packed)),
  open(packed, kernels) {
    const layout = layoutIn(packed);
    const passes = passesOf(packed.tensors, packed.weight, layout);
    const shape = passShape(packed.weight, layout);
    // The addon has the arithmetic of x86 with table scales a group; all else is computed by the reference.
    const native = layout.float === "float32" && !shape.scalesLast ? kernels.native : null;
    return {
      async multiply(input) {
        const out = native
          ? await multiplyNative(input, passes, shape, native, kernels)
          : multiply(input, passes, shape);
        refuseUnsound(input, out);
        return out;
      },
    };
  },
  trace(packed, token) {
    const layout = layoutIn(packed);
    const passes = passesOf(packed.tensors, packed.weight, layout);
    return traceToken(token, passes, passShape(packed.weight, layout));
  },
};

/** @throws LuthierError when the pack's layout is none, or not one of its weight. */
function layoutIn({ weight, layout }: PackedGrid): Layout {
  const read = layoutSchema.safeParse(layout);
  if (!read.success) throw damagedPack(`its layout is none of t-mac: ${z.prettifyError(read.error)}`);
  const fitting = layoutOf(weight, { scheme: "float" }, read.data);
  if ("reason" in fitting) throw damagedPack(fitting.reason);
  if (fitting.bits !== read.data.bits || fitting.passes !== read.data.passes) {
    throw damagedPack(
      `its layout has ${read.data.passes} passes of ${read.data.bits} bits, its weight ${fitting.passes} of ${fitting.bits}`,
    );
  }
  return fitting;
}

const layoutSchema = z.strictObject({
  bits: z.int().min(1).max(4),
  passes: z.int().min(1).max(8),
  tileRows: z.int().positive().multipleOf(32),
  kFactor: z.union([z.literal(8), z.literal(16)]),
  activationGroup: z.union([z.literal(32), z.literal(64), z.literal("token")]),
  float: z.enum(["float32", "float16"]),
  aggregation: z.enum(["exact", "fast"]),
});

function passShape(weight: GridOutline, layout: Layout): PassShape {
  const { rows, columns, group, scaleRows } = weight;
  const hasZeros = weight.scheme === "int" && !weight.symmetric;
  const scalesLast = layout.activationGroup === "token";
  const activationGroup = layout.activationGroup === "token" ? columns : layout.activationGroup;
  return {
    ...layout,
    rows,
    columns,
    group,
    hasZeros,
    oneScale: scaleRows === 1,
    activationGroup,
    scalesLast,
  };
}

/** Tile heights that T-MAC's tuner tries, largest first; then those that a narrow layer needs. */
const tileHeights = [1024, 640, 512, 320, 256, 128, 64, 32];
const tileHeightsThreeBit = [768, 576, 384, 192, 96];

function layoutOf(weight: GridOutline, activation: ActivationScheme, chosen: Parameters): Layout | Refusal {
  if (activation.scheme !== "float") {
    return {
      reason: `its activations are ${describeActivation(activation)}, this target takes float ones`,
      fix: "drop `activation` from the rule, or choose the target tellme",
    };
  }
  const beyond = weight.scheme === "planes" ? beyondTrits(weight) : null;
  if (beyond)
    return { reason: beyond, fix: "quantize with `rtn` or `trit-planes`, or choose the target lut-gemm" };
  const bits = weight.scheme === "int" ? weight.bits : 2;
  const passes = weight.scheme === "int" ? 1 : weight.planes;
  if (bits > 4)
    return { reason: `its codes have ${bits} bits, this target takes 1 to 4`, fix: "use 4 bits or fewer" };

  const { rows, columns, group, scaleRows } = weight;
  if (scaleRows === 1 && group !== columns)
    return {
      reason: `rows share its scales of groups of ${group}`,
      fix: "use one scale a group, row or tensor",
    };
  if (scaleRows === 1 && weight.scheme === "int" && !weight.symmetric) {
    return {
      reason: "it has zero points with one scale for the tensor, which T-MAC's kernels do not read",
      fix: "make it symmetric, or give it a scale a row or group",
    };
  }
  if (weight.scaleDtype === "F32" && weight.scheme === "int" && !weight.symmetric) {
    return {
      reason:
        "it has zero points with float32 scales, whose products T-MAC's float32 zeros do not hold exactly",
      fix: "quantize it with one of the methods instead of `stored`, or keep these linears float",
    };
  }
  if (weight.scheme === "int" && weight.zeroPointDtype && chosen.float === "float16") {
    return {
      reason:
        "its zero points are float16 values, whose products with scales ARM's float16 zeros do not hold",
      fix: "use `float: float32`, or `rtn`",
    };
  }
  if (weight.scaleDtype === "F32" && chosen.float === "float16") {
    return {
      reason: "it has float32 scales that float16 cannot hold, and ARM's are float16",
      fix: "use `float: float32`, or quantize it with one of the methods instead of `stored`",
    };
  }
  const heights = bits === 3 ? tileHeightsThreeBit : tileHeights;
  const tileRows =
    chosen.tileRows === "auto" ? heights.find((height) => fits(rows, bits, height)) : chosen.tileRows;
  if (tileRows === undefined || !fits(rows, bits, tileRows)) {
    return {
      reason: `its ${rows} outputs × ${bits} bits are no whole tiles of ${tileRows ?? "32"} rows`,
      fix: "keep these linears float, or set tileRows to a multiple of 32 and of 8 · bits that divides them",
    };
  }
  const { float, aggregation } = chosen;
  if (aggregation === "fast" && (float !== "float16" || chosen.activationGroup === "token")) {
    return {
      reason: `fast aggregation goes with float16 and table scales a group, here are ${float} and activationGroup ${chosen.activationGroup}`,
      fix: "set `float: float16` and activationGroup 32, 64 or auto, or leave `aggregation` at exact",
    };
  }
  if (chosen.activationGroup === "token" && scaleRows !== 1) {
    return {
      reason: "its weight scales are by group or row, one table scale a token goes with one a tensor",
      fix: "use `group: tensor`, or activationGroup 32, 64 or auto",
    };
  }
  const kFactor = pick(
    chosen.kFactor,
    [16, 8],
    (factor) => group % (4 * factor) === 0 && columns % (4 * factor) === 0,
  );
  const activationGroup =
    kFactor &&
    (chosen.activationGroup === "token"
      ? "token"
      : pick(chosen.activationGroup, [64, 32], (size) => (4 * kFactor) % size === 0));
  if (!kFactor || !activationGroup) {
    return {
      reason: `its ${columns} inputs in groups of ${group} do not divide into blocks of 32 (kFactor ${chosen.kFactor}, activationGroup ${chosen.activationGroup})`,
      fix: "use a group that is a multiple of 32 (of 64 for kFactor 16 or activationGroup 64), or keep these linears float",
    };
  }
  return { bits, passes, tileRows, kFactor, activationGroup, float, aggregation };
}

function fits(rows: number, bits: number, tileRows: number): boolean {
  return (rows * bits) % tileRows === 0 && tileRows % (8 * bits) === 0;
}

function pick<T extends number>(
  chosen: T | "auto",
  candidates: readonly T[],
  fitting: (value: T) => boolean,
): T | undefined {
  return (chosen === "auto" ? candidates : [chosen]).find(fitting);
}
