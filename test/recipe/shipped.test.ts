import { describe, expect, test } from "vitest";
import { calibratedQuantizerOf, quantizerOf } from "../../src/pipeline/choices.js";
import { isStored, type QuantizeChoice } from "../../src/recipe/schema.js";
import { headerOf, loadRecipe, shippedRecipeNames } from "../../src/recipe/shipped.js";
import { bitsPerWeight } from "../../src/schemes/weights.js";

/** Of a linear with 4096 inputs and outputs. */
function outlineOf(choice: QuantizeChoice) {
  const calibrated = calibratedQuantizerOf(choice);
  if (calibrated)
    return calibrated.quantizer.outline({ rows: 4096, columns: 4096, attention: null }, calibrated.options);
  const { quantizer, options } = quantizerOf(choice);
  return quantizer.outline(4096, 4096, options);
}

describe.each(await shippedRecipeNames())("%s", (name) => {
  test("says in its header what it is, its source, its targets, and its stored bits per weight, truly", async () => {
    const { text, recipe } = await loadRecipe(name);
    const header = headerOf(text).join("\n");
    expect(header).toMatch(/arXiv \d{4}\.\d{5}|Method: HQQ \(mobiusml\/hqq\)/); // HQQ has no paper
    for (const { target } of recipe.targets) expect(header).toContain(`Targets: ${target}`);
    if (recipe.rules.some((rule) => isStored(rule.quantize))) return; // its bits are the checkpoint's
    const stated = Number(/([\d.]+) stored/.exec(header)?.[1]);
    const choice = recipe.rules.find((rule) => rule.quantize)?.quantize;
    if (choice === undefined) throw new Error("a recipe without a quantizer");
    expect(bitsPerWeight(outlineOf(choice))).toBeCloseTo(stated, 2);
  });
});

test("a name that is nearly right is offered", async () => {
  await expect(loadRecipe("trit-planes-g12")).rejects.toMatchObject({
    usage: true,
    fix: "did you mean 'trit-planes-g128'?",
  });
});
