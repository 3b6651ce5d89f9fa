import { expect, test } from "vitest";
import { configuration } from "../../../src/targets/gptq/configuration.js";

const linear = (name: string, changes: object = {}) => ({
  name,
  bits: 4,
  groupSize: 128,
  symmetric: true,
  ...changes,
});

test("one kind of weight needs no overrides", () => {
  expect(configuration([linear("a.q"), linear("a.k")], ["lm_head"], { checkpointFormat: "gptq" })).toEqual({
    quant_method: "gptq",
    checkpoint_format: "gptq",
    format: "gptq",
    bits: 4,
    group_size: 128,
    sym: true,
    desc_act: false,
    lm_head: false,
    pack_dtype: "int32",
  });
});

test("linears of another kind and float ones are named in `dynamic`, as regular expressions of GPTQModel", () => {
  const linears = [
    linear("a.q"),
    linear("a.k", { bits: 8, groupSize: null }),
    linear("a.v"),
    linear("lm_head", { symmetric: false }),
  ];
  const found = configuration(linears, ["a.o"], { checkpointFormat: "gptq_v2" });
  expect(found).toMatchObject({
    bits: 4,
    group_size: 128,
    sym: true,
    lm_head: true,
    checkpoint_format: "gptq_v2",
  });
  expect(found.dynamic).toEqual({
    "+:^a\\.k$": { bits: 8, group_size: -1 },
    "+:^lm_head$": { sym: false },
    "-:^a\\.o$": {},
  });
  const [pattern] = Object.keys(found.dynamic as object);
  expect(new RegExp(pattern.slice(2)).test("a.k")).toBe(true);
  expect(new RegExp(pattern.slice(2)).test("aXk")).toBe(false);
});

test("what most linears have is what all have by default", () => {
  const linears = [linear("a", { bits: 8 }), linear("b"), linear("c")];
  expect(configuration(linears, [], { checkpointFormat: "gptq" })).toMatchObject({
    bits: 4,
    dynamic: { "+:^a$": { bits: 8 } },
  });
});
