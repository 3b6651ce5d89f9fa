import { expect, test } from "vitest";
import { configuration } from "../../../src/targets/compressed-tensors/configuration.js";

const linear = (name: string, changes: object = {}) => ({
  name,
  bits: 4,
  groupSize: 128,
  symmetric: true,
  ...changes,
});

test("one kind of weight is all linears but the float ones", () => {
  expect(configuration([linear("a.q"), linear("a.k")], ["lm_head"])).toEqual({
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    quantization_status: "compressed",
    config_groups: {
      group_0: {
        targets: ["Linear"],
        weights: {
          num_bits: 4,
          type: "int",
          symmetric: true,
          strategy: "group",
          group_size: 128,
          dynamic: false,
        },
        input_activations: null,
        output_activations: null,
      },
    },
    ignore: ["lm_head"],
    kv_cache_scheme: null,
  });
});

test("each of several kinds names its linears; a scale a row is the strategy channel", () => {
  const linears = [linear("a.q"), linear("a.k", { bits: 8, groupSize: null }), linear("a.v")];
  expect(configuration(linears, []).config_groups).toMatchObject({
    group_0: { targets: ["a.q", "a.v"], weights: { num_bits: 4, strategy: "group" } },
    group_1: { targets: ["a.k"], weights: { num_bits: 8, strategy: "channel", group_size: null } },
  });
});
