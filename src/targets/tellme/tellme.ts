import { z } from "zod";
import { LuthierError } from "../../error.js";
import type { Kernels, NativeAddon } from "../../kernels/kernels.js";
import { beyondTrits, type PlanesOutline, type PlanesScheme } from "../../schemes/planes.js";
import type { WeightOutline } from "../../schemes/scheme.js";
import { outlineOf } from "../../schemes/weights.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import {
  type Arithmetic,
  damagedPack,
  type PackedLinear,
  type Refusal,
  refuseUnsound,
  type Target,
} from "../target.js";
import { multiply, type Planes } from "./arithmetic.js";
import { type DigitOrder, packPlanes, planeScales, planeWords, unpackPlane } from "./layout.js";
import { traceToken } from "./trace.js";

const parameters = z.strictObject({
  digitOrder: z
    .enum(["first-least-significant", "first-most-significant"])
    .default("first-least-significant")
    .describe("which of three weights is the lowest base-3 digit of an index; not published"),
});

type Parameters = z.infer<typeof parameters>;

/** TeLLMe's ternary accelerator on the KV260: base-3 indices in URAM words, INT8 tokens, 27-entry tables. */
export const tellme: Target<Parameters, Arithmetic> = {
  name: "tellme",
  summary: "TeLLMe FPGA (KV260): ternary weights with one scale a tensor, INT8 activations per token",
  source: "TeLLMe v2, arXiv 2510.15926",
  parameters,
  typical: {
    quantize: { method: "absmean", group: "tensor" },
    activation: { scheme: "int8", per: "token" },
  },
  refuse(weight, activation) {
    if (activation.scheme !== "int8") {
      return {
        reason: "its activations are float, this target takes INT8 per token",
        fix: "add `activation: { scheme: int8, per: token }` to the rule",
      };
    }
    return refuseWeight(weight);
  },
  pack(weight, { digitOrder }) {
    const refusal = refuseWeight(weight);
    if (refusal) throw new LuthierError(`tellme does not take this linear: ${refusal.reason}`, refusal.fix);
    const tensors = packPlanes(weight as PlanesScheme, digitOrder);
    return { weight: outlineOf(weight), layout: { digitOrder }, tensors };
  },
  unpack(packed) {
    const { outline, order } = factsOf(packed);
    const { rows, columns, planes } = outline;
    const codes = new Int8Array(planes * rows * columns);
    for (let plane = 0; plane < planes; plane++) {
      codes.set(
        unpackPlane(planeWords(packed.tensors, plane, rows, columns), rows, columns, order),
        plane * rows * columns,
      );
    }
    return { ...outline, codes, scales: planeScales(packed.tensors, planes) };
  },
  open(packed, kernels) {
    const planes = planesOf(packed);
    const { native } = kernels;
    return {
      async multiply(input) {
        const out = native ? await multiplyNative(input, planes, native, kernels) : multiply(input, planes);
        refuseUnsound(input, out);
        return out;
      },
    };
  },
  trace: (packed, token) => traceToken(token, planesOf(packed)),
};

/** @throws LuthierError when a tensor is missing, or holds what is never packed. */
function planesOf(packed: PackedLinear): Planes {
  const { outline, order } = factsOf(packed);
  const { rows, columns, planes } = outline;
  const words = Array.from({ length: planes }, (_, plane) =>
    planeWords(packed.tensors, plane, rows, columns),
  );
  return { rows, columns, order, words, scales: planeScales(packed.tensors, planes) };
}

/** @throws LuthierError when the pack's layout or weight is none of this target. */
function factsOf({ weight, layout }: PackedLinear): { outline: PlanesOutline; order: DigitOrder } {
  const read = parameters.safeParse(layout);
  if (!read.success || !("digitOrder" in layout))
    throw damagedPack("its layout names no digit order of tellme");
  const refusal = refuseWeight(weight);
  if (refusal) throw damagedPack(refusal.reason);
  return { outline: weight as PlanesOutline, order: read.data.digitOrder };
}

function refuseWeight(weight: WeightOutline): Refusal | null {
  const fix = "quantize with `{ method: absmean, group: tensor }` or `{ method: twn, group: tensor }`";
  if (weight.scheme !== "planes")
    return { reason: `it is ${weight.scheme}, this target takes trit planes`, fix };
  const reason = beyondTrits(weight);
  if (reason) return { reason, fix };
  if (weight.scaleRows !== 1 || weight.group !== weight.columns)
    return { reason: "it has a scale a row or group, this target takes one a tensor", fix };
  return null;
}

/** The same bits as `multiply` of arithmetic.ts: the sums are exact integers, so the addon may form them otherwise. */
async function multiplyNative(
  input: Matrix,
  planes: Planes,
  native: NativeAddon,
  kernels: Kernels,
): Promise<Matrix> {
  const { rows, columns, order, words, scales } = planes;
  const out = matrix(input.rows, rows);
  await native.tellmeMultiply(
    kernels.path,
    kernels.threads,
    rows,
    columns,
    order === "first-least-significant",
    words,
    scales,
    input.data,
    out.data,
  );
  return out;
}
