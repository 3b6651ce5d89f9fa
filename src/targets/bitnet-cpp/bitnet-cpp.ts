import { LuthierError } from "../../error.js";
import type { PlanesScheme } from "../../schemes/planes.js";
import { outlineOf } from "../../schemes/weights.js";
import type { Matrix } from "../../tensor/matrix.js";
import { type Arithmetic, type GridTarget, type PackedGrid, refuseUnsound } from "../target.js";
import { multiply } from "./arithmetic.js";
import { bitnetCppCost } from "./cost.js";
import { layoutIn, layoutOf, type Parameters, parameters } from "./layout.js";
import { nativeProduct } from "./native.js";
import { traceToken } from "./trace.js";
import { type PackedWeight, packWeight, tritsOf, weightIn } from "./weight.js";

const int8 = { scheme: "int8", per: "token" } as const;

/** bitnet.cpp's CPU kernels: I2_S multiplies and adds, TL1 and TL2 look up; all sum ternary weights exactly. */
export const bitnetCpp: GridTarget<Parameters, Arithmetic> = {
  name: "bitnet-cpp",
  summary: "bitnet.cpp CPU kernels (I2_S, TL1, TL2): ternary weights with one scale a tensor, INT8 tokens",
  source: "microsoft/BitNet; arXiv 2502.11880",
  parameters,
  cost: bitnetCppCost,
  typical: { quantize: { method: "absmean", group: "tensor" }, activation: int8 },
  refuse(weight, activation, chosen) {
    const layout = layoutOf(weight, activation, chosen);
    return "reason" in layout ? layout : null;
  },
  pack(weight, chosen) {
    const layout = layoutOf(weight, int8, chosen);
    if ("reason" in layout)
      throw new LuthierError(`bitnet-cpp does not take this linear: ${layout.reason}`, layout.fix);
    const tensors = packWeight(weight as PlanesScheme, layout);
    return { weight: outlineOf(weight), layout: { ...layout }, tensors };
  },
  unpack(packed) {
    const { outline, weight } = opened(packed);
    return { ...outline, codes: tritsOf(weight), scales: Float32Array.of(weight.scale) };
  },
  open(packed, kernels) {
    const { weight } = opened(packed);
    const product = kernels.native
      ? nativeProduct(weight, kernels.native, kernels)
      : referenceProduct(weight);
    return {
      async multiply(input) {
        const out = await product(input);
        refuseUnsound(input, out);
        return out;
      },
    };
  },
  trace(packed, token) {
    const { weight } = opened(packed);
    refuseForeignCodes(weight);
    return traceToken(token, weight);
  },
};

/** @throws LuthierError when the pack's layout, weight or scale are none of this target. */
function opened(packed: PackedGrid) {
  const { outline, layout } = layoutIn(packed);
  return { outline, weight: weightIn(packed.tensors, outline, layout) };
}

function referenceProduct(weight: PackedWeight) {
  refuseForeignCodes(weight);
  return async (input: Matrix): Promise<Matrix> => multiply(input, weight);
}

/** @throws LuthierError when bytes are none that the target writes. */
function refuseForeignCodes(weight: PackedWeight): void {
  tritsOf(weight);
}
