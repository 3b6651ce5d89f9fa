import { LuthierError } from "../../error.js";
import type { GridOutline } from "../../schemes/scheme.js";
import { outlineOf } from "../../schemes/weights.js";
import { type Arithmetic, type GridTarget, refuseUnsound } from "../target.js";
import { multiply, type Shape } from "./arithmetic.js";
import { layoutIn, layoutOf, type Parameters, parameters } from "./choose-layout.js";
import { lutTensorCoreCost } from "./cost.js";
import { type Layout, packWeight, passesOf, unpackWeight } from "./layout.js";
import { multiplyNative } from "./native.js";
import { traceProduct } from "./trace.js";

/** LUT Tensor Core: bit-serial planes of 1- to 4-bit weights, half tables of four inputs made online. */
export const lutTensorCore: GridTarget<Parameters, Arithmetic> = {
  name: "lut-tensor-core",
  summary:
    "LUT Tensor Core (GPU extension): 1- to 4-bit codes or trit planes; FP16, FP8, INT16 or INT8 activations",
  source: "LUT Tensor Core, arXiv 2408.06003 (ISCA 2025)",
  parameters,
  takesFloat32Scales: true,
  cost: lutTensorCoreCost,
  typical: { quantize: { method: "rtn", bits: 2, group: 128, clip: true } },
  refuse(weight, activation, chosen) {
    const layout = layoutOf(weight, activation, chosen);
    return "reason" in layout ? layout : null;
  },
  pack(weight, chosen, _place, activation = { scheme: "float" }) {
    const layout = layoutOf(weight, activation, chosen);
    if ("reason" in layout)
      throw new LuthierError(`lut-tensor-core does not take this linear: ${layout.reason}`, layout.fix);
    return { weight: outlineOf(weight), layout: { ...layout }, tensors: packWeight(weight, layout) };
  },
  unpack: (packed) => unpackWeight(packed.tensors, packed.weight, layoutIn(packed)),
  open(packed, kernels) {
    const layout = layoutIn(packed);
    const passes = passesOf(packed.tensors, packed.weight, layout);
    const shape = shapeOf(packed.weight, layout);
    const { native } = kernels;
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
    return traceProduct(token, passes, shapeOf(packed.weight, layout));
  },
};

function shapeOf({ rows, columns, group, scaleRows }: GridOutline, layout: Layout): Shape {
  return { ...layout, rows, columns, group, oneScale: scaleRows === 1 };
}
