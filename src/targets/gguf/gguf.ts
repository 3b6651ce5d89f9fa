import { z } from "zod";
import { LuthierError } from "../../error.js";
import { describeActivation } from "../../schemes/activation.js";
import type { ActivationScheme } from "../../schemes/scheme.js";
import { outlineOf } from "../../schemes/weights.js";
import {
  type Arithmetic,
  damagedPack,
  type GridTarget,
  type PackedGrid,
  type Refusal,
  refuseUnsound,
} from "../target.js";
import { multiply, roundToken, rowOf, runOf, runSums, scaledSum } from "./arithmetic.js";
import { blockTypeNames } from "./blocks.js";
import { ggufContainer } from "./container.js";
import { blocksOf, type Carrier, carrierOf, packBlocks, roundsScale, unpackBlocks } from "./layout.js";
import { multiplyNative } from "./native.js";

const parameters = z.strictObject({
  type: z
    .enum(["auto", ...blockTypeNames])
    .default("auto")
    .describe("ggml's block type; auto takes the smallest that holds the weight's codes exactly"),
});

type Parameters = z.infer<typeof parameters>;

/** GGUF for llama.cpp: a whole model in one file, its quantized weights in ggml's blocks. */
export const gguf: GridTarget<Parameters, Arithmetic> = {
  name: "gguf",
  summary:
    "llama.cpp (CPU): a GGUF file of the model; TQ1_0, TQ2_0, Q2_0, Q4_0 and Q8_0 blocks, no zero points",
  source: "ggml-org/ggml docs/gguf.md; ggml-org/llama.cpp ggml-quants.c and ggml-cpu/quants.c",
  parameters,
  typical: { quantize: { method: "rtn", bits: 4, group: 32, symmetric: true, clip: true } },
  container: ggufContainer,
  refuse(weight, activation, { type }) {
    const carrier = refuseActivation(activation) ?? carrierOf(weight, type);
    return "reason" in carrier ? carrier : null;
  },
  pack(weight, chosen) {
    const carrier = carrierOf(weight, chosen.type);
    if ("reason" in carrier)
      throw new LuthierError(`gguf does not take this linear: ${carrier.reason}`, carrier.fix);
    const { name: type } = carrier.type;
    const layout: PackedGrid["layout"] = roundsScale(weight) ? { type, scale: weight.scales[0] } : { type };
    return { weight: outlineOf(weight), layout, tensors: packBlocks(weight, carrier) };
  },
  unpack(packed) {
    const { carrier, scale } = factsOf(packed);
    return unpackBlocks(packed.tensors, packed.weight, carrier, scale);
  },
  open(packed, kernels) {
    const blocks = blocksOf(packed.tensors, packed.weight, factsOf(packed).carrier.type);
    const { native } = kernels;
    return {
      async multiply(input) {
        const out = native ? await multiplyNative(input, blocks, native, kernels) : multiply(input, blocks);
        refuseUnsound(input, out);
        return out;
      },
    };
  },
  trace(packed, token) {
    const { type } = factsOf(packed).carrier;
    const blocks = blocksOf(packed.tensors, packed.weight, type);
    const { rows, columns } = blocks;
    const x = roundToken(token, type);
    const weights = Array.from({ length: rows }, (_, row) => rowOf(blocks, row));
    const sums = weights.map(({ levels }) => runSums(levels, x));
    const output = weights.map(({ scales }, row) => scaledSum(sums[row], scales, x, type));
    const runs = columns / runOf(type);
    const single = { kind: "float", bits: 32 } as const;
    return [
      { name: "input", what: "the token, [K]", format: single, shape: [columns], values: token },
      {
        name: "codes",
        what: "the input rounded to INT8, [K]",
        format: { kind: "signed", bits: 8 },
        shape: [columns],
        values: x.codes,
      },
      {
        name: "scales",
        what: `one scale for every ${runOf(type)} codes, [K / ${runOf(type)}]`,
        format: runOf(type) === 256 ? single : { kind: "float", bits: 16 },
        shape: [runs],
        values: x.scales,
      },
      {
        name: "sums",
        what: `INT32 sums of level · code over every scale, [N, K / ${runOf(type)}]`,
        format: { kind: "signed", bits: 32 },
        shape: [rows, runs],
        values: sums.flatMap((row) => [...row]),
      },
      { name: "output", what: "before the bias, [N]", format: single, shape: [rows], values: output },
    ];
  },
};

const layoutSchema = z.strictObject({ type: z.enum(blockTypeNames), scale: z.number().optional() });

/** @throws LuthierError when the pack's layout is none, or not one of its weight. */
function factsOf({ weight, layout }: Pick<PackedGrid, "weight" | "layout">): {
  readonly carrier: Carrier;
  /** The weight's one float32 scale, which the blocks have rounded; null for a weight with others. */
  readonly scale: number | null;
} {
  const read = layoutSchema.safeParse(layout);
  if (!read.success) throw damagedPack(`its layout is none of gguf: ${z.prettifyError(read.error)}`);
  const { type, scale = null } = read.data;
  const carrier = carrierOf(weight, type);
  if ("reason" in carrier) throw damagedPack(carrier.reason);
  if ((scale !== null) !== roundsScale(weight))
    throw damagedPack(`its layout has ${scale === null ? "no scale" : "a scale"}, unlike its weight`);
  if (scale !== null && Math.fround(scale) !== scale) throw damagedPack(`its scale ${scale} is no float32`);
  return { carrier, scale };
}

function refuseActivation(activation: ActivationScheme): Refusal | null {
  if (activation.scheme === "float") return null;
  return {
    reason: `its activations are ${describeActivation(activation)}, llama.cpp rounds float ones in blocks of its own`,
    fix: "drop `activation` from the rule, or choose the target tellme",
  };
}
