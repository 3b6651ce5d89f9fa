import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { evaluatePerplexity } from "../../src/pipeline/evaluate.js";
import { planModel, quantize } from "../../src/pipeline/quantize.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { temporaryFolder } from "../pipeline/run.js";
import { assets } from "./assets.js";

const kernels = openKernels();

describe("luthier-tiny on its held-out novel, from pack bytes", () => {
  const text = { text: assets("luthier-tiny/heldout.txt") };
  const reference = JSON.parse(readFileSync(assets("luthier-tiny/reference.json"), "utf8"))["heldout.txt"];

  test.each([
    ["trit-planes-g128", 1.06],
    ["rtn-int4-g128", 1.03],
  ] as const)("%s stays within %f of the float perplexity", async (recipe, limit) => {
    const out = temporaryFolder();
    await quantize({ model: assets("luthier-tiny"), recipe: await loadRecipe(recipe), out, kernels });
    expect((await verifyRun(out, kernels)).faults).toEqual([]);
    const { perplexity, predictions } = await evaluatePerplexity({
      path: out,
      engine: "lut",
      kernels,
      text,
      context: 256,
    });
    expect(predictions).toBe(reference.predictions);
    expect(perplexity / reference.perplexity).toBeGreaterThan(1);
    expect(perplexity / reference.perplexity).toBeLessThan(limit);
  });
});

describe("stories260K, whose 64 and 172 inputs fit few groups", () => {
  const model = assets("stories260K");

  test("is refused by a recipe with groups of 128, with the linears and the ways out", async () => {
    const plan = planModel(model, await loadRecipe("trit-planes-g128"));
    await expect(plan).rejects.toThrow(/q_proj.*does not divide its 64 inputs/);
    await expect(plan).rejects.toThrow(/down_proj.*does not divide its 172 inputs/);
  });

  test("runs with groups of 64 and its odd linears kept float", async () => {
    const text = `version: 1
rules:
  - { match: [lm_head, "*.down_proj"], keep: float }
  - { match: "*.mlp.*", quantize: { method: rtn, bits: 4, group: 64 } }
  - { match: "*", quantize: { method: trit-planes, group: 64 } }
targets: [{ target: t-mac }]
`;
    const shown = planModel(model, {
      name: "odd",
      file: "odd.yaml",
      text,
      recipe: parseRecipe(text, "odd.yaml"),
    });
    await expect(shown).rejects.toThrow(/gate_proj.*172 outputs/); // 172 · 4 bits make no whole tiles

    const mended = text.replace('"*.down_proj"', '"*.mlp.*"').replace(/.*rtn.*\n/, "");
    const recipe = { name: "odd", file: "odd.yaml", text: mended, recipe: parseRecipe(mended, "odd.yaml") };
    const out = temporaryFolder();
    await quantize({ model, recipe, out, kernels });
    expect((await verifyRun(out, kernels)).faults).toEqual([]);
    const stories = { text: assets("data/tinystories/tinystories.txt") };
    const { perplexity } = await evaluatePerplexity({
      path: out,
      engine: "lut",
      kernels,
      text: stories,
      context: 512,
    });
    expect(perplexity).toBeGreaterThan(4.67); // the float reference
    expect(perplexity).toBeLessThan(4.67 * 1.25);
  });
});
