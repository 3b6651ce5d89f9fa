import { describe, expect, test } from "vitest";
import type { ModelDescription } from "../../src/model/architecture.js";
import { makePlan } from "../../src/pipeline/plan.js";
import { parseRecipe } from "../../src/recipe/parse.js";

const linear = (name: string, rows: number, columns: number) => ({
  name,
  rows,
  columns,
  tensor: `${name}.weight`,
  bias: null,
  norm: null,
  headNorm: null,
  rotaryHeadSize: null,
  attention: null,
});

const description: ModelDescription = {
  modelType: "llama",
  kind: "causal",
  readout: null,
  blocks: [0, 1].map((i) => [
    linear(`model.layers.${i}.q_proj`, 64, 128),
    linear(`model.layers.${i}.down_proj`, 64, 172),
  ]),
  head: linear("lm_head", 512, 64),
  embedding: "model.embed_tokens.weight",
  hiddenSize: 64,
  feedForwardSize: 172,
  vocabularySize: 512,
  logitCap: null,
  contextLength: 128,
  floatTensors: [],
  channels: [],
  scalable: [],
};

const plan = (rules: string, targets = "") =>
  makePlan(description, {}, parseRecipe(`version: 1\nrules: [${rules}]\ntargets: [${targets}]`, "r.yaml"));

const keepHead = "{ match: lm_head, keep: float }";

test("every linear has the first rule that matches it", () => {
  const { linears } = plan(
    `${keepHead}, { match: "*.q_proj", quantize: { method: twn } }, { match: "*", keep: float }`,
  );
  expect(
    linears.map(({ linear: { name }, rule, quantize }) => [name, rule, quantize?.weight.scheme ?? "float"]),
  ).toEqual([
    ["model.layers.0.q_proj", 2, "planes"],
    ["model.layers.0.down_proj", 3, "float"],
    ["model.layers.1.q_proj", 2, "planes"],
    ["model.layers.1.down_proj", 3, "float"],
    ["lm_head", 1, "float"],
  ]);
});

describe("a method that chooses a group by the weights", () => {
  const rules = (options: string) =>
    `${keepHead}, { match: "*.down_proj", keep: float }, { match: "*", quantize: { method: finequant, ${options} } }`;

  test("is planned with all groups that may come out", () => {
    const [{ quantize }] = plan(rules("smallestGroup: 32"), "{ target: t-mac }").linears;
    expect(quantize?.weight).toMatchObject({ group: 128 });
    expect(quantize?.alternatives.map((weight) => "group" in weight && weight.group)).toEqual([64, 32]);
  });

  test("is refused where a target does not take one of them", () => {
    expect(() => plan(rules("smallestGroup: 16"), "{ target: t-mac }")).toThrow(/q_proj.*t-mac: .*16/s);
  });
});

test("inputs are rounded beside weights that are fitted to calibration text", () => {
  const rule = '{ match: "*", quantize: { method: gptq, group: row }, activation: { scheme: int8 } }';
  const recipe = `version: 1\ncalibration: { text: a.txt }\nrules: [${keepHead}, ${rule}]`;
  const { linears } = makePlan(description, {}, parseRecipe(recipe, "r.yaml"));
  expect(linears[0].quantize?.activation).toEqual({ scheme: "int8", per: "token" });
});

describe("is refused before any work, naming linears and ways out:", () => {
  test("a linear without a rule", () => {
    expect(() => plan('{ match: "*_proj", keep: float }')).toThrow(/lm_head: no rule matches it/);
  });

  test("a method that is fitted to calibration text, without one", () => {
    expect(() => plan(`${keepHead}, { match: "*", quantize: { method: co-quantization } }`)).toThrow(
      /co-quantization is fitted to what the model computes, and the recipe has no text for it — add `calibration/,
    );
  });

  test("a head for a method that goes through blocks", () => {
    expect(() => plan('{ match: "*", quantize: { method: gptq, group: row } }')).toThrow(
      /lm_head: gptq is fitted block after block, and the head belongs to none — give it a rule of its own/,
    );
  });

  test("a representation of inputs where the method decides it", () => {
    const rule = '{ match: "*", quantize: { method: co-quantization }, activation: { scheme: int8 } }';
    expect(() => plan(`${keepHead}, ${rule}`)).toThrow(
      /decides how the input is represented — remove `activation`/,
    );
  });

  test("a scale of inputs that is to be measured, without a text", () => {
    const rule =
      '{ match: "*", quantize: { method: rtn, group: row }, activation: { scheme: int8, per: tensor } }';
    expect(() => plan(`${keepHead}, ${rule}`)).toThrow(/a scale for all inputs is fitted .* no text/);
  });

  test("a head that is to be fitted: no block's input reaches it", () => {
    const rule =
      '{ match: "*", quantize: { method: rtn, group: row }, activation: { scheme: int8, per: tensor } }';
    expect(() => plan(rule)).toThrow(/lm_head: a scale for all inputs is fitted block after block/);
  });

  test("groups of activations that do not divide the inputs", () => {
    const rule =
      '{ match: "*", quantize: { method: rtn, group: row }, activation: { scheme: int6, per: 128 } }';
    expect(() => plan(`${keepHead}, ${rule}`)).toThrow(
      /down_proj: groups of 128 activations do not divide its 172 inputs — use a divisor/,
    );
  });

  test("a rule without a linear", () => {
    expect(() => plan('{ match: "*.qproj", keep: float }, { match: "*", keep: float }')).toThrow(
      /rule 1 \(match \*\.qproj\): matches no linear/,
    );
  });

  test("a group that does not divide, once for all linears that share the reason", () => {
    expect(() => plan(`${keepHead}, { match: "*", quantize: { method: rtn, group: 128 } }`)).toThrow(
      /model\.layers\.0\.down_proj, model\.layers\.1\.down_proj: a group of 128 does not divide its 172 inputs — use `group: row`/,
    );
  });

  test("the same for a method that is fitted to calibration text", () => {
    expect(() => plan(`${keepHead}, { match: "*", quantize: { method: gptq, group: 128 } }`)).toThrow(
      /a group of 128 does not divide its 172 inputs — use `group: row`/,
    );
  });

  test("what a target does not take", () => {
    const rules = `${keepHead}, { match: "*", quantize: { method: rtn, bits: 5, group: row } }`;
    expect(() => plan(rules, "{ target: t-mac }")).toThrow(/t-mac: its codes have 5 bits/);
    expect(() => plan(rules, "{ target: tellme }")).toThrow(/tellme: its activations are float/);
  });

  test("options that contradict each other", () => {
    expect(() =>
      plan(`${keepHead}, { match: "*", quantize: { method: rtn, bits: 1, symmetric: true, group: row } }`),
    ).toThrow(/only the level 0 — use 2 bits or more/);
  });
});
