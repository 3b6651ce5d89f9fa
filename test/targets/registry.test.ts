import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { calibratedQuantizerOf, quantizerOf, targetOf } from "../../src/pipeline/choices.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { QuantizeChoice } from "../../src/recipe/schema.js";
import { describeActivation } from "../../src/schemes/activation.js";
import { signsOutline } from "../../src/schemes/planes.js";
import type { WeightOutline } from "../../src/schemes/scheme.js";
import { findTarget, targets } from "../../src/targets/registry.js";
import { refusalOf, type Target } from "../../src/targets/target.js";

test("a target is found by its name", () => {
  for (const target of targets) expect(findTarget(target.name)).toBe(target);
});

test("a name that is none is an error of usage that lists those that exist", () => {
  expect(() => findTarget("t-mak")).toThrow(LuthierError);
  try {
    findTarget("t-mak");
  } catch (error) {
    expect(error).toMatchObject({
      usage: true,
      fix: expect.stringContaining(targets.map(({ name }) => name).join(", ")),
    });
  }
});

test("the typical rule of every target is one that a recipe takes and that the target packs", () => {
  for (const target of targets) {
    const { outline, activation, parameters } = typicalCase(target);
    expect(target.refuse(outline, activation, parameters)).toBe(null);
  }
});

test("a target that does not read sign planes refuses them", () => {
  for (const target of targets.filter(({ name }) => name !== "lut-gemm")) {
    const { outline, activation, parameters } = typicalCase(target);
    const scaling = "group" in outline ? outline : { rows: 512, columns: 512, group: 128, scaleRows: 512 };
    const { rows, columns, group, scaleRows } = scaling;
    for (const offset of [false, true]) {
      const signs = signsOutline(1, offset, { rows, columns, group, scaleRows });
      expect(target.refuse(signs, activation, parameters), target.name).not.toBe(null);
    }
  }
});

test.each([
  { scheme: "int4", per: "token" },
  { scheme: "int6", per: 128 },
  { scheme: "int8", per: 128 },
  { scheme: "int8", per: "tensor", largest: 4 },
  { scheme: "int16", per: "tensor", largest: 4 },
] as const)("no target takes inputs as %o, and each says so", (activation) => {
  for (const target of targets) {
    const { outline, parameters } = typicalCase(target);
    const refusal = target.refuse(outline, activation, parameters);
    expect(refusal?.reason, target.name).toContain(describeActivation(activation));
  }
});

test("a target that does not read float zero points refuses them, with a way out", () => {
  const parameters = (target: Target) => target.parameters.parse({});
  const outline: WeightOutline = {
    ...({ scheme: "int", bits: 4, symmetric: false, zeroPointDtype: "F16" } as const),
    ...{ rows: 512, columns: 512, group: 64, scaleRows: 512 },
  };
  for (const target of targets) {
    const refused = refusalOf(
      target,
      { weight: outline, activation: { scheme: "float" } },
      parameters(target),
    );
    expect(refused === null, target.name).toBe(target.takesFloatZeroPoints === true);
    if (refused) expect(refused.fix, target.name).toContain("t-mac");
  }
});

/** What a recipe with the target's typical rule makes of a 512 × 512 linear. */
function typicalCase(target: Target) {
  const recipe = parseRecipe(
    JSON.stringify({
      version: 1,
      rules: [{ match: "*", ...target.typical }],
      targets: [{ target: target.name }],
    }),
    "typical.yaml",
  );
  const rule = recipe.rules[0];
  const choice = rule.quantize as QuantizeChoice;
  const activation = rule.activation ?? ({ scheme: "float" } as const);
  return {
    outline: outlineOf(choice),
    activation,
    parameters: targetOf(recipe.targets[0]).parameters,
  };
}

function outlineOf(choice: QuantizeChoice): WeightOutline {
  const calibrated = calibratedQuantizerOf(choice);
  if (calibrated) {
    const linear = { rows: 512, columns: 512, attention: null };
    return calibrated.quantizer.outline(linear, calibrated.options);
  }
  const { quantizer, options } = quantizerOf(choice);
  return quantizer.outline(512, 512, options);
}
