import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ruleFor } from "../../src/recipe/match.js";
import type { Rule } from "../../src/recipe/schema.js";
import { groupedRules } from "../../src/search/grouped-rules.js";
import type { Assignment } from "../../src/search/measure-divergences.js";
import { candidateOf } from "./made-up.js";

const kinds = ["self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj", "mlp.down_proj"];
const namesOf = (blocks: number) =>
  Array.from({ length: blocks }, (_, block) => kinds.map((kind) => `model.layers.${block}.${kind}`)).flat();

/** An assignment of 2-, 3- and 4-bit candidates by the linears' places. */
function assignmentOf(bits: readonly number[], names = namesOf(bits.length / kinds.length)): Assignment {
  return new Map(names.map((name, at) => [name, candidateOf(bits[at])]));
}

const matchesOf = (assignment: Assignment) =>
  groupedRules(assignment).map(({ match, candidate }) => [match, candidate.key]);

describe("groupedRules", () => {
  test("the first rule that matches a linear gives it what it was assigned, whatever that is", () => {
    const bits = fc
      .integer({ min: 1, max: 12 })
      .chain((blocks) =>
        fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 4 * blocks, maxLength: 4 * blocks }),
      );
    fc.assert(
      fc.property(bits, (chosen) => {
        const assignment = assignmentOf(chosen);
        const grouped = groupedRules(assignment);
        const rules = grouped.map(({ match }) => ({ match }) as Rule);
        for (const [name, { key }] of assignment) {
          const rule = grouped[ruleFor(name, rules)];
          expect(rule.candidate.key).toBe(key);
          expect(rule.linears).toContain(name);
        }
        expect(grouped.flatMap(({ linears }) => linears).sort()).toEqual([...assignment.keys()].sort());
      }),
    );
  });

  test("one candidate for all is one rule", () => {
    expect(matchesOf(assignmentOf([3, 3, 3, 3, 3, 3, 3, 3]))).toEqual([[["*"], candidateOf(3).key]]);
  });

  test("linears of one kind that become the same are one pattern", () => {
    expect(matchesOf(assignmentOf([3, 3, 3, 4, 3, 3, 3, 4]))).toEqual([
      [["*.mlp.down_proj"], candidateOf(4).key],
      [["*"], candidateOf(3).key],
    ]);
  });

  test("kinds that become the same are one rule", () => {
    expect(matchesOf(assignmentOf([2, 2, 3, 4, 2, 2, 3, 4]))).toEqual([
      [["*.mlp.up_proj"], candidateOf(3).key],
      [["*.mlp.down_proj"], candidateOf(4).key],
      [["*"], candidateOf(2).key],
    ]);
  });

  test("exceptions of a kind stand before it, by their names", () => {
    expect(matchesOf(assignmentOf([3, 3, 3, 4, 3, 2, 3, 4, 3, 3, 3, 2]))).toEqual([
      [["model.layers.1.self_attn.v_proj", "model.layers.2.mlp.down_proj"], candidateOf(2).key],
      [["*.mlp.down_proj"], candidateOf(4).key],
      [["*"], candidateOf(3).key],
    ]);
  });
});
