import { z } from "zod";
import { LuthierError } from "../../error.js";
import { describeActivation } from "../../schemes/activation.js";
import { scaleDtype } from "../../schemes/scale-grid.js";
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
import { multiply } from "./arithmetic.js";
import { hasBias, signPlanes } from "./coefficients.js";
import { lutGemmCost } from "./cost.js";
import { type Layout, packWeight, unpackWeight, weightOf } from "./layout.js";
import { multiplyNative } from "./native.js";
import { traceToken } from "./trace.js";

const parameters = z.strictObject({});

type Parameters = z.infer<typeof parameters>;

/** LUT-GEMM on GPUs: sign planes with float16 scales, tables of 256 sums of eight inputs, float16 throughout. */
export const lutGemm: GridTarget<Parameters, Arithmetic> = {
  name: "lut-gemm",
  summary: "LUT-GEMM GPU kernels (float16): sign planes; integer codes and trit planes as sign planes",
  source: "naver-aics/lut-gemm; arXiv 2206.09557",
  parameters,
  cost: lutGemmCost,
  typical: { quantize: { method: "bcq", planes: 3, group: 128 } },
  refuse(weight, activation) {
    const layout = layoutOf(weight, activation);
    return "reason" in layout ? layout : null;
  },
  pack(weight) {
    const layout = layoutOf(weight, { scheme: "float" });
    if ("reason" in layout)
      throw new LuthierError(`lut-gemm does not take this linear: ${layout.reason}`, layout.fix);
    return { weight: outlineOf(weight), layout: { ...layout }, tensors: packWeight(weight, layout) };
  },
  unpack: (packed) => unpackWeight(packed.tensors, packed.weight, layoutIn(packed)),
  open(packed, kernels) {
    const weight = weightOf(packed.tensors, packed.weight, layoutIn(packed));
    const { native } = kernels;
    return {
      async multiply(input) {
        const out = native ? await multiplyNative(input, weight, native, kernels) : multiply(input, weight);
        refuseUnsound(input, out);
        return out;
      },
    };
  },
  trace(packed, token) {
    const weight = weightOf(packed.tensors, packed.weight, layoutIn(packed));
    const signals = traceToken(token, weight);
    const output = { rows: 1, columns: weight.rows, data: signals.at(-1)?.values as Float32Array };
    refuseUnsound({ rows: 1, columns: weight.columns, data: token }, output);
    return signals;
  },
};

const layoutSchema = z.strictObject({
  planes: z.int().min(1).max(16),
  kTile: z.union([z.literal(32), z.literal(64)]),
});

/** @throws LuthierError when the pack's layout is none, or not one of its weight. */
function layoutIn({ weight, layout }: PackedGrid): Layout {
  const read = layoutSchema.safeParse(layout);
  if (!read.success) throw damagedPack(`its layout is none of lut-gemm: ${z.prettifyError(read.error)}`);
  const fitting = layoutOf(weight, { scheme: "float" });
  if ("reason" in fitting) throw damagedPack(fitting.reason);
  if (fitting.planes !== read.data.planes || fitting.kTile !== read.data.kTile) {
    throw damagedPack(
      `its layout has ${read.data.planes} planes and tiles of ${read.data.kTile}, its weight ${fitting.planes} and ${fitting.kTile}`,
    );
  }
  return fitting;
}

/** The kernel without a bias wherever it may be: it walks 64 inputs at a time, so its groups must hold them. */
function layoutOf(weight: GridOutline, activation: ActivationScheme): Layout | Refusal {
  const { rows, columns, group } = weight;
  if (activation.scheme !== "float") {
    return {
      reason: `its activations are ${describeActivation(activation)}, this target takes float ones`,
      fix: "drop `activation` from the rule, or choose the target tellme",
    };
  }
  if (scaleDtype(weight) === "F32") {
    return {
      reason: `its scale${weight.scaleRows === 1 ? " for the tensor is" : "s are"} float32, this target holds float16 ones of rows or groups`,
      fix: "quantize with `group: row`, or a number that is a multiple of 32",
    };
  }
  if (columns % 32 !== 0 || group % 32 !== 0) {
    return {
      reason: `its ${columns} inputs in groups of ${group} do not divide into words of 32`,
      fix: "use a group that is a multiple of 32, or keep these linears float",
    };
  }
  if (rows % 2 !== 0) {
    return {
      reason: `it has ${rows} outputs, each thread of this target computes two`,
      fix: "keep these linears float",
    };
  }
  const kTile = hasBias(weight) || columns % 64 !== 0 || group % 64 !== 0 ? 32 : 64;
  return { planes: signPlanes(weight), kTile };
}
