import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { quantizerOf, targetOf } from "../../src/pipeline/plan.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import type { QuantizeChoice } from "../../src/recipe/schema.js";
import { findTarget, targets } from "../../src/targets/registry.js";

test("a target is found by its name", () => {
  for (const target of targets) expect(findTarget(target.name)).toBe(target);
});

test("a name that is none is an error of usage that lists those that exist", () => {
  expect(() => findTarget("t-mak")).toThrow(LuthierError);
  try {
    findTarget("t-mak");
  } catch (error) {
    expect(error).toMatchObject({ usage: true, fix: expect.stringMatching(/t-mac, .*tellme/) });
  }
});

test("the typical rule of every target is one that a recipe takes and that the target packs", () => {
  for (const target of targets) {
    const recipe = parseRecipe(
      JSON.stringify({
        version: 1,
        rules: [{ match: "*", ...target.typical }],
        targets: [{ target: target.name }],
      }),
      "typical.yaml",
    );
    const rule = recipe.rules[0];
    const { quantizer, options } = quantizerOf(rule.quantize as QuantizeChoice);
    const { parameters } = targetOf(recipe.targets[0]);
    const outline = quantizer.outline(512, 512, options);
    expect(target.refuse(outline, rule.activation ?? { scheme: "float" }, parameters)).toBe(null);
  }
});
