import { expect, test } from "vitest";
import { causalVariant, describeChanged, describeFamily, distanceOf } from "./generated-families.js";

describeFamily("mixtral");

test.each([{ num_experts_per_tok: 1 }, { num_experts_per_tok: 4 }, { rope_theta: 100 }])(
  "with %o it is another model",
  async (changes) => {
    expect(await distanceOf(causalVariant("mixtral"), changes)).toBeGreaterThan(1e-2);
  },
);

test("its experts are linears by the checkpoint's names, in a fixed order, and say so; the router stays float", () => {
  const { blocks, floatTensors } = describeChanged(causalVariant("mixtral"), {});
  const experts = blocks[1].filter(({ isRouted }) => isRouted).map(({ name }) => name);
  const name = (expert: number, weight: string) =>
    `model.layers.1.block_sparse_moe.experts.${expert}.${weight}`;
  expect(experts).toEqual(
    [0, 1, 2, 3].flatMap((expert) => ["w1", "w3", "w2"].map((each) => name(expert, each))),
  );
  expect(floatTensors).toContain("model.layers.1.block_sparse_moe.gate.weight");
});

test("more experts than any model has are refused before their names are made", () => {
  const changes = { num_hidden_layers: 9_000, num_local_experts: 9_000 };
  expect(() => describeChanged(causalVariant("mixtral"), changes)).toThrow("9000 blocks of 9000 experts");
});
