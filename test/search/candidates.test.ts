import { describe, expect, test } from "vitest";
import { describeCheckpoint } from "../../src/pipeline/plan-checkpoint.js";
import { targetChoice } from "../../src/pipeline/target-choice.js";
import { loadDevice } from "../../src/recipe/device.js";
import { candidatesSchema } from "../../src/recipe/schema.js";
import { openDequantized } from "../../src/schemes/stored/dequantized.js";
import { defaultCandidates, fittingCandidates } from "../../src/search/candidates.js";
import { findTarget, targets } from "../../src/targets/registry.js";
import { bundledModel } from "../pipeline/run.js";

const checkpoint = await openDequantized(bundledModel);
const description = describeCheckpoint(checkpoint);
await checkpoint.close();

const targetOf = (name: string) => ({ choice: targetChoice(findTarget(name), {}), device: null });
const namesOf = (candidates: readonly { readonly name: string }[]) => candidates.map(({ name }) => name);

describe("fittingCandidates", () => {
  const quantizings = candidatesSchema.parse([
    { quantize: { method: "rtn", bits: 3, group: 256 } },
    { quantize: { method: "rtn", bits: 2, group: 384 } },
    { quantize: { method: "trit-planes", planes: 1 } },
    { quantize: { method: "absmean" }, activation: { scheme: "int8" } },
  ]);

  test("a linear has those whose groups divide its inputs; the head has none", () => {
    const searched = fittingCandidates(description, quantizings, null);
    const ofKind = (kind: string) => searched.find(({ linear }) => linear.name.endsWith(kind));
    expect(searched).toHaveLength(28);
    expect(namesOf(ofKind("q_proj")?.candidates ?? [])).toEqual([
      "rtn: int3 row",
      "trit-planes: ternary g128",
      "absmean: ternary tensor, input int8 per token",
    ]);
    expect(namesOf(ofKind("down_proj")?.candidates ?? [])).toEqual([
      "rtn: int3 g256",
      "rtn: int2 g384",
      "trit-planes: ternary g128",
      "absmean: ternary tensor, input int8 per token",
    ]);
  });

  test("those with one name say the options that they differ in", () => {
    const clipped = [false, true].map((clip) => ({ quantize: { method: "rtn", bits: 3, clip } }));
    const [{ candidates }] = fittingCandidates(description, candidatesSchema.parse(clipped), null);
    expect(namesOf(candidates)).toEqual(["rtn: int3 g128, clip false", "rtn: int3 g128, clip true"]);
  });

  test("a target's are those that it takes", () => {
    const [{ candidates }] = fittingCandidates(description, quantizings, targetOf("tellme"));
    expect(namesOf(candidates)).toEqual(["absmean: ternary tensor, input int8 per token"]);
  });

  test("where nothing fits, the reasons are told", () => {
    const [, wide] = quantizings;
    expect(() => fittingCandidates(description, [wide], null)).toThrow(/q_proj:\n {2}.*384/);
  });

  test("what only a run can know is no candidate", () => {
    const refused = [
      [{ quantize: { method: "llm-int8" } }, /how much each part of it has is known only in a run/],
      [
        { quantize: { method: "rtn" }, activation: { scheme: "int8", per: "tensor" } },
        /one scale for everything, which is measured only in a run/,
      ],
    ] as const;
    for (const [each, reason] of refused)
      expect(() => fittingCandidates(description, candidatesSchema.parse([each]), null)).toThrow(reason);
  });

  test("cycles are the cost model's, of one token, and grow with the bits", async () => {
    const device = await loadDevice("surface-book-3");
    const bits = [2, 3, 4].map((each) => ({ quantize: { method: "rtn", bits: each } }));
    const [{ candidates }] = fittingCandidates(description, candidatesSchema.parse(bits), {
      ...targetOf("t-mac"),
      device,
    });
    const [two, three, four] = candidates.map(({ cycles }) => cycles ?? 0);
    expect(two).toBeGreaterThan(0);
    expect(three).toBeGreaterThan(two);
    expect(four).toBeGreaterThan(three);
  });
});

describe("defaultCandidates", () => {
  test("without a target every linear may become 1.6 to 6 bits", () => {
    const searched = fittingCandidates(description, defaultCandidates(description, null), null);
    for (const { candidates, linear } of searched) {
      const bits = candidates.map(({ bytes }) => (8 * bytes) / linear.rows / linear.columns);
      expect(Math.min(...bits)).toBeLessThan(2);
      expect(Math.max(...bits)).toBeGreaterThan(6);
    }
  });

  test.each(targets.map(({ name }) => name).filter((name) => name !== "lut-llm"))(
    "with %s there is something to choose for every linear",
    (name) => {
      const target = targetOf(name);
      const searched = fittingCandidates(description, defaultCandidates(description, target.choice), target);
      for (const { candidates } of searched) expect(candidates.length).toBeGreaterThan(0);
    },
  );
});
