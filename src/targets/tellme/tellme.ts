import { z } from "zod";
import { LuthierError } from "../../error.js";
import { describeActivation, isPerToken } from "../../schemes/activation.js";
import type { PlanesOutline, PlanesScheme } from "../../schemes/planes.js";
import { outlineOf } from "../../schemes/weights.js";
import type { Matrix } from "../../tensor/matrix.js";
import { type Arithmetic, damagedPack, type GridTarget, type PackedGrid, refuseUnsound } from "../target.js";
import { multiply, type Planes } from "./arithmetic.js";
import { fitting, type Layout, layoutOf, layoutSchema, type Parameters, parameters } from "./choices.js";
import { tellmeCost } from "./cost.js";
import { unpackPlane } from "./layout.js";
import { nativeProduct } from "./native.js";
import { packWeight, planeScales, planeWords } from "./pack.js";
import { traceToken } from "./trace.js";

/** TeLLMe's ternary accelerator on the KV260: base-3 indices in URAM words, INT8 tokens, 27-entry tables. */
export const tellme: GridTarget<Parameters, Arithmetic> = {
  name: "tellme",
  summary: "TeLLMe FPGA (KV260): ternary weights with one scale a tensor, INT8 activations per token",
  source: "TeLLMe v2, arXiv 2510.15926",
  parameters,
  cost: tellmeCost,
  typical: {
    quantize: { method: "absmean", group: "tensor" },
    activation: { scheme: "int8", per: "token" },
  },
  refuse(weight, activation, chosen, place) {
    if (!isPerToken(activation, "int8")) {
      return {
        reason: `its activations are ${describeActivation(activation)}, this target takes INT8 per token`,
        fix: "add `activation: { scheme: int8, per: token }` to the rule",
      };
    }
    const layout = layoutOf(weight, chosen, place);
    return "reason" in layout ? layout : null;
  },
  pack(weight, chosen, place) {
    const layout = layoutOf(weight, chosen, place);
    if ("reason" in layout)
      throw new LuthierError(`tellme does not take this linear: ${layout.reason}`, layout.fix);
    const tensors = packWeight(weight as PlanesScheme, layout, place?.norm ?? null);
    return { weight: outlineOf(weight), layout: { ...layout }, tensors };
  },
  unpack(packed) {
    const { rows, columns, words, scales, order } = planesOf(packed);
    const codes = new Int8Array(words.length * rows * columns);
    for (const [plane, each] of words.entries())
      codes.set(unpackPlane(each, rows, columns, order), plane * rows * columns);
    return { ...(packed.weight as PlanesOutline), codes, scales };
  },
  open(packed, kernels) {
    const planes = planesOf(packed);
    const product = kernels.native
      ? nativeProduct(planes, kernels.native, kernels)
      : async (input: Matrix) => multiply(input, planes);
    return {
      async multiply(input) {
        const out = await product(input);
        refuseUnsound(input, out);
        return out;
      },
    };
  },
  trace: (packed, token) => traceToken(token, planesOf(packed), layoutIn(packed).pairedHeadSize),
};

/** Its planes, rows in the model's order. @throws LuthierError when a tensor is missing, or holds what is never packed. */
function planesOf(packed: PackedGrid): Planes {
  const layout = layoutIn(packed);
  const { rows, columns, planes } = packed.weight as PlanesOutline;
  const words = Array.from({ length: planes }, (_, plane) =>
    planeWords(packed.tensors, plane, rows, columns, layout),
  );
  return { rows, columns, order: layout.digitOrder, words, scales: planeScales(packed.tensors, planes) };
}

/** @throws LuthierError when the pack's layout or weight is none of this target. */
function layoutIn({ weight, layout }: PackedGrid): Layout {
  const read = layoutSchema.safeParse(layout);
  if (!read.success) throw damagedPack(`its layout is none of tellme: ${z.prettifyError(read.error)}`);
  const refusal = fitting(weight, read.data);
  if (refusal) throw damagedPack(refusal.reason);
  return read.data;
}
