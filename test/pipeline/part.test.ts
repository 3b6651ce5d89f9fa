import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { independentOf, type Part, parsePart, sequenceOf, shareOf } from "../../src/pipeline/part.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { planModel } from "../../src/pipeline/quantize.js";
import { calibratedOn, loadRecipe } from "../../src/recipe/shipped.js";
import { calibratedRecipe } from "./made-up-model.js";
import { bundledModel } from "./run.js";

test.each([
  ["1/1", { index: 1, count: 1 }],
  ["3/8", { index: 3, count: 8 }],
  ["65536/65536", { index: 65536, count: 65536 }],
])("%s is a part", (text, part) => {
  expect(parsePart(text)).toEqual(part);
});

test.each(["", "3", "0/4", "5/4", "1/65537", "-1/4", "1/4/4", " 1/4", "1.0/4", "1/4\n", "a/b", "1/1e3"])(
  "%j is none",
  (text) => {
    expect(parsePart(text)).toBeNull();
  },
);

/** A plan of linears with these many weights, all of a method that looks at weights alone; null stays float. */
function planOf(weights: readonly (number | null)[]): Plan {
  const linears = weights.map((columns, index) => ({
    linear: { name: `linear ${index}`, rows: 1, columns: columns ?? 1 },
    rule: 1,
    quantize: columns === null ? null : { choice: { method: "rtn" }, biasCorrection: null },
  }));
  return { transforms: [], linears, targets: [], notes: [] } as unknown as Plan;
}

const names = (linears: Plan["linears"]) => linears.map(({ linear }) => linear.name);
const partsOf = (count: number): Part[] =>
  Array.from({ length: count }, (_, at) => ({ index: at + 1, count }));

test("equal linears are shared out equally, neighbours together", () => {
  const plan = planOf([5, 5, 5, 5, null, 5, 5]);
  expect(partsOf(3).map((part) => names(shareOf(plan, part)))).toEqual([
    ["linear 0", "linear 1"],
    ["linear 2", "linear 3"],
    ["linear 5", "linear 6"],
  ]);
});

test("with more parts than linears some have nothing to do", () => {
  const plan = planOf([1, 1]);
  expect(partsOf(4).map((part) => shareOf(plan, part).length)).toEqual([0, 1, 0, 1]);
});

test("every linear belongs to one part; no share is larger than its nth and the largest linear", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(weights, fc.integer({ min: 1, max: 40 }), (sizes, count) => {
      const plan = planOf(sizes);
      const shares = partsOf(count).map((part) => shareOf(plan, part));
      expect(shares.flatMap(names)).toEqual(names(plan.linears));
      const most = sizes.reduce((sum, size) => sum + size, 0) / count + Math.max(...sizes);
      for (const share of shares)
        expect(share.reduce((sum, { linear }) => sum + linear.columns, 0)).toBeLessThanOrEqual(most);
    }),
  );
});

describe("which linears can be made in parts", () => {
  const planned = async (name: string) => {
    const recipe = await loadRecipe(name);
    const text = "calibration/sampled-from-tiny.txt";
    return planModel(bundledModel, recipe.recipe.calibration ? calibratedOn(recipe, text) : recipe);
  };

  test.each(["trit-planes-g128", "rtn-int2-g64", "finequant-int4"])("%s: all", async (name) => {
    const plan = await planned(name);
    expect(independentOf(plan).length).toBe(28);
    expect(plan.linears.map((each) => sequenceOf(each, plan)).every((why) => why === null)).toBe(true);
  });

  test.each([
    ["quarot-w4a16", "fitted block after block to calibration text"],
    ["gptq-int4-g128", "fitted block after block to calibration text"],
    ["awq-int4-g128", "after awq, for which calibration text is put through the whole model"],
    ["smoothquant-w8a8", "after smoothquant, for which calibration text is put through the whole model"],
  ])("%s: none", async (name, why) => {
    const plan = await planned(name);
    expect(independentOf(plan)).toEqual([]);
    const whys = plan.linears.map((each) => sequenceOf(each, plan));
    expect(new Set(whys)).toEqual(new Set([why, null])); // null of the head, which stays float
  });

  test("of rules of both kinds, those of methods that look at weights alone", async () => {
    const plan = await planModel(
      bundledModel,
      calibratedRecipe([
        { match: "*.down_proj", quantize: { method: "gptq", bits: 4, group: 64 } },
        { match: "*.up_proj", quantize: { method: "twn" }, biasCorrection: "float" },
        { match: "*", quantize: { method: "rtn", bits: 4, group: 64 } },
      ]),
    );
    expect(names(independentOf(plan)).filter((name) => /down_proj|up_proj|lm_head/.test(name))).toEqual([]);
    expect(independentOf(plan).length).toBe(4 * 5);
  });
});
