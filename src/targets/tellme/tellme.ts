import { z } from "zod";
import type { Kernels, NativeAddon } from "../../kernels/kernels.js";
import { quantizeToken } from "../../schemes/activation.js";
import type { WeightOutline } from "../../schemes/scheme.js";
import { outlineOf } from "../../schemes/weights.js";
import { roundToFloat16 } from "../../tensor/float.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { Refusal, Target } from "../target.js";
import { multiply, type Planes } from "./arithmetic.js";
import { packPlanes, planeScales, planeWords, unpackPlane } from "./layout.js";

const parameters = z.strictObject({
  digitOrder: z
    .enum(["first-least-significant", "first-most-significant"])
    .default("first-least-significant")
    .describe("which of three weights is the lowest base-3 digit of an index; not published"),
});

type Parameters = z.infer<typeof parameters>;

/** TeLLMe's ternary accelerator on the KV260: base-3 indices in URAM words, INT8 tokens, 27-entry tables. */
export const tellme: Target<Parameters> = {
  name: "tellme",
  summary: "TeLLMe FPGA (KV260): ternary weights with one scale a tensor, INT8 activations per token",
  source: "TeLLMe v2, arXiv 2510.15926",
  parameters,
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
    if (weight.scheme !== "planes") throw new RangeError("tellme packs planes only");
    return { weight: outlineOf(weight), layout: { digitOrder }, tensors: packPlanes(weight, digitOrder) };
  },
  unpack(packed) {
    const { digitOrder } = parameters.parse(packed.layout);
    const { weight, tensors } = packed;
    if (weight.scheme !== "planes") throw new RangeError("tellme packs planes only");
    const { rows, columns, planes } = weight;
    const codes = new Int8Array(planes * rows * columns);
    for (let plane = 0; plane < planes; plane++) {
      codes.set(
        unpackPlane(planeWords(tensors, plane, rows, columns), rows, columns, digitOrder),
        plane * rows * columns,
      );
    }
    return { ...weight, codes, scales: planeScales(tensors, planes) };
  },
  open(packed, kernels) {
    const { rows, columns, ...rest } = packed.weight;
    if (rest.scheme !== "planes") throw new RangeError("tellme packs planes only");
    const words = Array.from({ length: rest.planes }, (_, plane) =>
      planeWords(packed.tensors, plane, rows, columns),
    );
    const { digitOrder: order } = parameters.parse(packed.layout);
    const planes: Planes = { rows, columns, order, words, scales: planeScales(packed.tensors, rest.planes) };
    const { native } = kernels;
    return {
      multiply: async (input) =>
        native ? multiplyNative(input, planes, native, kernels) : multiply(input, planes),
    };
  },
};

function refuseWeight(weight: WeightOutline): Refusal | null {
  const fix = "quantize with `{ method: absmean, group: tensor }` or `{ method: twn, group: tensor }`";
  if (weight.scheme !== "planes")
    return { reason: `it is ${weight.scheme}, this target takes trit planes`, fix };
  if (weight.scaleRows !== 1)
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
  const { rows, columns, order } = planes;
  const codes = new Int8Array(input.rows * columns);
  const scales: number[] = [];
  for (let token = 0; token < input.rows; token++) {
    const x = quantizeToken(input.data.subarray(token * columns, (token + 1) * columns));
    codes.set(x.codes, token * columns);
    scales.push(x.scale);
  }
  const out = matrix(input.rows, rows);
  const sums = new Int32Array(input.rows * rows);
  for (const [plane, words] of planes.words.entries()) {
    const leastFirst = order === "first-least-significant";
    await native.tellmeSums(kernels.path, kernels.threads, codes, rows, columns, leastFirst, words, sums);
    for (let token = 0; token < input.rows; token++) {
      const factor = Math.fround(planes.scales[plane] / scales[token]);
      for (let at = token * rows; at < (token + 1) * rows; at++) {
        const part = roundToFloat16(Math.fround(sums[at] * factor));
        out.data[at] = plane === 0 ? part : roundToFloat16(Math.fround(out.data[at] + part));
      }
    }
  }
  return out;
}
