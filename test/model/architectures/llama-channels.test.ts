import { afterAll, describe, expect, test } from "vitest";
import type { TensorSource } from "../../../src/checkpoint/tensor-source.js";
import type { ChannelGroup } from "../../../src/model/architecture.js";
import { describeModel } from "../../../src/model/model.js";
import { openOps } from "../../../src/model/ops.js";
import { type ChannelOrders, reorderedTensors } from "../../../src/transforms/reordered-tensors.js";
import { furthestApart } from "../furthest-apart.js";
import { bits, generatedSource, hashOf, openGenerated } from "../generated-checkpoint.js";
import { type LlamaVariant, llamaVariants } from "../llama-variants.js";

const ops = openOps({ threads: 1 });
afterAll(() => ops.close());

/** An order for each group that leaves hardly a channel in its place. */
function shuffled(groups: readonly ChannelGroup[]): ChannelOrders {
  return new Map(
    groups.map(({ name, size }) => {
      const key = (channel: number) => bits(hashOf(name), channel);
      return [name, Uint32Array.from({ length: size }, (_, i) => i).sort((a, b) => key(a) - key(b) || a - b)];
    }),
  );
}

function groupsOf({ config, tensors }: LlamaVariant): readonly ChannelGroup[] {
  return describeModel(config, (name) => tensors[name]).channels;
}

async function logitsOf({ config, tensors, windows }: LlamaVariant, groups: readonly ChannelGroup[]) {
  const plain = generatedSource(tensors);
  const source: TensorSource = { ...plain, ...reorderedTensors(plain, groups, shuffled(groups)) };
  return (await openGenerated(config, source, ops).logits(Int32Array.from(windows[0]))).data;
}

test.each(Object.entries(llamaVariants))(
  "%s: logits stay the same in another order of all channels",
  async (_, variant) => {
    const moved = await logitsOf(variant, groupsOf(variant));
    expect(furthestApart(moved, await logitsOf(variant, []))).toBeLessThan(1e-4);
  },
);

describe.each([
  "llama, biases everywhere",
  "qwen3, norms on q and k, rope_parameters",
  "bitnet, norms within its layers and a squared ReLU",
])("%s", (name) => {
  const variant = llamaVariants[name];

  test("no place is named in vain: with any one left out the logits are others", async () => {
    const groups = groupsOf(variant);
    const plain = await logitsOf(variant, []);
    for (const [at, group] of groups.entries()) {
      for (const left of group.places) {
        const places = group.places.filter((place) => place !== left);
        const moved = await logitsOf(variant, groups.with(at, { ...group, places }));
        expect(furthestApart(moved, plain), `${group.name} in ${left.tensor}`).toBeGreaterThan(1e-3);
      }
    }
  });

  test("no channel belongs to two groups", () => {
    const taken = new Set<string>();
    for (const { size, places } of groupsOf(variant)) {
      for (const { tensor, along, firsts } of places) {
        for (const first of firsts) {
          for (let i = first; i < first + size; i++) {
            const channel = `${tensor} ${along} ${i}`;
            expect(taken.has(channel), channel).toBe(false);
            taken.add(channel);
          }
        }
      }
    }
  });

  test("the rows of queries and keys stay: they are rotated in pairs of their own", () => {
    const rows = groupsOf(variant).flatMap(({ places }) => places.filter(({ along }) => along === "rows"));
    expect(rows.filter(({ tensor }) => /[qk]_(proj|norm)/.test(tensor))).toEqual([]);
  });
});
