import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearest } from "../../src/nearest.js";
import { matches, ruleFor } from "../../src/recipe/match.js";

test.each([
  ["*", "model.layers.0.mlp.up_proj", true],
  ["lm_head", "lm_head", true],
  ["lm_head", "lm_head2", false],
  ["*.down_proj", "model.layers.3.mlp.down_proj", true],
  ["*.down_proj", "model.layers.3.mlp.down_proj.x", false],
  ["model.layers.1.*", "model.layers.10.mlp.up_proj", false],
  ["model.*.self_attn.?_proj", "model.layers.0.self_attn.q_proj", false], // ? is no wildcard
  ["*a*a", "a", false], // parts do not overlap
  ["*a*a", "aa", true],
  ["", "", true],
])("%s on %s: %s", (pattern, name, expected) => {
  expect(matches(pattern, name)).toBe(expected);
});

test("a name with any of its pieces replaced by * still matches; as a regular expression it does too", () => {
  const piece = fc.constantFrom("a", "b.", "ab", "*");
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.constantFrom("a", "b.", "ab")), (pattern, name) => {
      const escaped = pattern.map((part) => (part === "*" ? ".*" : part.replace(".", "\\.")));
      expect(matches(pattern.join(""), name.join(""))).toBe(
        new RegExp(`^${escaped.join("")}$`).test(name.join("")),
      );
    }),
    { numRuns: 1000, seed: 1 },
  );
});

test("the first rule that matches decides", () => {
  const rules = [{ match: ["lm_head", "*.k_proj"] }, { match: "*" }] as const;
  expect(ruleFor("model.layers.0.self_attn.k_proj", rules as never)).toBe(0);
  expect(ruleFor("model.layers.0.self_attn.q_proj", rules as never)).toBe(1);
});

test("edits are counted as insertions, deletions and replacements", () => {
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("", "abc")).toBe(3);
});

test("only a near word is offered", () => {
  expect(nearest("tmac", ["t-mac", "tellme"])).toBe("t-mac");
  expect(nearest("zzz", ["t-mac", "tellme"])).toBeNull();
});
