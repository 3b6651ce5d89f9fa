import { afterAll, describe, expect, test } from "vitest";
import { readMatrix, readVector } from "../../src/checkpoint/tensors.js";
import type { ScalableInput } from "../../src/model/architecture.js";
import { describeModel } from "../../src/model/model.js";
import { openOps } from "../../src/model/ops.js";
import type { DequantizedCheckpoint } from "../../src/schemes/stored/dequantized.js";
import { type ChannelScales, scaledTensors } from "../../src/transforms/scaled-tensors.js";
import { furthestApart } from "../model/furthest-apart.js";
import { bits, generatedSource, hashOf, kernels, openGenerated } from "../model/generated-checkpoint.js";
import { type LlamaVariant, llamaVariants } from "../model/llama-variants.js";

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

const grouped = llamaVariants["llama, biases everywhere"];

function inputsOf({ config, tensors }: LlamaVariant): readonly ScalableInput[] {
  return describeModel(config, (name) => tensors[name]).scalable;
}

/** From 1/4 to 4, the same wherever a channel is read. */
function randomScales(inputs: readonly ScalableInput[]): ChannelScales {
  return new Map(
    inputs.map(({ linears: [{ name, columns }], runs }) => {
      const scales = new Float32Array(columns);
      for (const { size, firsts } of runs) {
        for (let i = 0; i < size; i++) {
          const scale = 4 ** (bits(hashOf(name), firsts[0] + i) / 32768 - 1);
          for (const first of firsts) scales[first + i] = scale;
        }
      }
      return [name, scales];
    }),
  );
}

function scale(variant: LlamaVariant, inputs: readonly ScalableInput[]) {
  const checkpoint = { ...generatedSource(variant.tensors), config: variant.config } as DequantizedCheckpoint;
  return scaledTensors(checkpoint, inputs, randomScales(inputs), kernels);
}

async function logitsOf(variant: LlamaVariant, inputs: readonly ScalableInput[]) {
  const { config, windows } = variant;
  return (await openGenerated(config, scale(variant, inputs), ops).logits(Int32Array.from(windows[0]))).data;
}

test.each(Object.entries(llamaVariants))(
  "%s: logits stay the same with all inputs scaled at random",
  async (_, variant) => {
    const inputs = inputsOf(variant);
    expect(inputs.flatMap(({ linears }) => linears.map(({ name }) => name))).toEqual(
      describeModel(variant.config, (name) => variant.tensors[name])
        .blocks.flat()
        .map(({ name }) => name),
    );
    const scaled = await logitsOf(variant, inputs);
    expect(furthestApart(scaled, await logitsOf(variant, []))).toBeLessThan(1e-4);
  },
);

describe.each([
  "llama, biases everywhere",
  "qwen3, norms on q and k, rope_parameters",
  "bitnet, norms within its layers and a squared ReLU",
])("%s", (name) => {
  const variant = llamaVariants[name];

  test("no maker and no reader is named in vain: with any one left out the logits are others", async () => {
    const plain = await logitsOf(variant, []);
    const changed = async (input: ScalableInput) => furthestApart(await logitsOf(variant, [input]), plain);
    for (const input of inputsOf(variant)) {
      expect(await changed(input)).toBeLessThan(1e-4);
      for (const linear of input.linears.slice(1)) // the first names the scales
        expect(
          await changed({ ...input, linears: input.linears.filter((each) => each !== linear) }),
        ).toBeGreaterThan(1e-3);
      for (const [at, run] of input.runs.entries()) {
        for (const maker of run.makers) {
          const makers = run.makers.filter((each) => each !== maker);
          expect(await changed({ ...input, runs: input.runs.with(at, { ...run, makers }) })).toBeGreaterThan(
            1e-3,
          );
        }
      }
    }
  });
});

test("values that several query heads read have one scale a channel for all of them", () => {
  const o = inputsOf(grouped).find(({ linears }) => linears[0].name.endsWith("o_proj"))!;
  const { num_attention_heads: heads, num_key_value_heads: keyValueHeads } = grouped.config;
  expect(o.runs).toHaveLength(keyValueHeads as number);
  expect(o.runs.flatMap(({ firsts }) => firsts)).toHaveLength(heads as number);
  expect(o.runs[0].firsts.length).toBeGreaterThan(1);
});

test("scaled tensors are float32 of the same shape, the others as they were", async () => {
  const [attention] = inputsOf(grouped);
  const scaled = scale(grouped, [attention]);
  const scales = randomScales([attention]).get(attention.linears[0].name)!;
  const plain = generatedSource(grouped.tensors);
  const { tensor } = attention.linears[2];
  const [norm] = attention.runs[0].makers;
  expect(scaled.tensors.get(tensor)).toMatchObject({ dtype: "F32", shape: grouped.tensors[tensor] });
  const before = await readVector(plain, norm.tensor, kernels);
  const after = await readVector(scaled, norm.tensor, kernels);
  expect(after).toEqual(before.map((value, i) => value / scales[i]));
  const other = "model.layers.0.mlp.gate_proj.weight";
  expect(await scaled.read(other)).toEqual(await plain.read(other));
});

test("some rows of a scaled tensor are those of the whole", async () => {
  const inputs = inputsOf(grouped);
  const scaled = scale(grouped, inputs);
  const up = "model.layers.1.mlp.up_proj.weight"; // read by one input's scales, made by another's
  const whole = await readMatrix(scaled, up, kernels);
  const some = await readMatrix(scaled, up, kernels, { first: 3, last: 7 });
  expect(some.data).toEqual(whole.data.subarray(3 * whole.columns, 7 * whole.columns));
  const norm = "model.layers.1.input_layernorm.weight";
  const all = new Float32Array((await scaled.read(norm)).buffer);
  const part = new Float32Array((await scaled.read(norm, { first: 2, last: 5 })).buffer);
  expect(part).toEqual(all.subarray(2, 5));
});
