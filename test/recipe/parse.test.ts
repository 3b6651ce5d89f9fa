import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { recipeJsonSchema } from "../../src/recipe/schema.js";

const parse = (text: string) => parseRecipe(text, "r.yaml");

test("defaults are filled in", () => {
  const recipe = parse(
    'version: 1\nrules: [{ match: "*", quantize: { method: trit-planes } }]\ntargets: [{ target: t-mac }]',
  );
  expect(recipe).toEqual({
    version: 1,
    seed: 0,
    transforms: [],
    rules: [{ match: "*", quantize: { method: "trit-planes", planes: 2, group: 128 } }],
    targets: [
      {
        target: "t-mac",
        tileRows: "auto",
        kFactor: "auto",
        activationGroup: "auto",
        float: "float32",
        aggregation: "exact",
      },
    ],
    evaluate: [],
  });
});

describe("an error has the line and the way out:", () => {
  const cases: [what: string, text: string, message: RegExp][] = [
    ["no YAML", 'version: 1\nrules: [\n  "a', /^r\.yaml:3:/],
    ["a wrong key", "version: 1\nrulez: []", /r\.yaml:2: unknown key `rulez`: did you mean `rules`\?/],
    [
      "a wrong key in a rule",
      'version: 1\nrules:\n  - match: "*"\n    keeep: float',
      /r\.yaml:4: .*did you mean `keep`/,
    ],
    [
      "a wrong option of a method",
      'version: 1\nrules:\n  - match: "*"\n    quantize:\n      method: rtn\n      bitz: 4',
      /r\.yaml:6: unknown key `bitz`: did you mean `bits`/,
    ],
    [
      "another method's option",
      'version: 1\nrules:\n  - match: "*"\n    quantize: { method: rtn, planes: 2 }',
      /r\.yaml:4: unknown key `planes`/,
    ],
    [
      "a mistyped method",
      'version: 1\nrules:\n  - match: "*"\n    quantize: { method: trit-plane }',
      /r\.yaml:4: .*did you mean `trit-planes`/,
    ],
    [
      "a mistyped transform",
      'version: 1\ntransforms:\n  - transform: pairings\nrules: [{ match: "*", keep: float }]',
      /r\.yaml:3: .*did you mean `pairing`/,
    ],
    [
      "an option that a transform does not have",
      'version: 1\ntransforms:\n  - { transform: pairing, bits: 4 }\nrules: [{ match: "*", keep: float }]',
      /r\.yaml:3: unknown key `bits`/,
    ],
    [
      "no method",
      'version: 1\nrules:\n  - match: "*"\n    quantize: { bits: 4 }',
      /r\.yaml:4: .*needs a `method`: rtn, .*trit-planes, /,
    ],
    [
      "a mistyped target",
      'version: 1\nrules: [{ match: "*", keep: float }]\ntargets:\n  - { target: tmac }',
      /r\.yaml:4: unknown target `tmac`: did you mean `t-mac`/,
    ],
    [
      "a wrong value",
      'version: 1\nrules:\n  - match: "*"\n    quantize: { method: rtn, bits: 9 }',
      /r\.yaml:4: `rules\.0\.quantize\.bits`: /,
    ],
    [
      "a rule that says two things",
      'version: 1\nrules:\n  - { match: "*", keep: float, quantize: { method: twn } }',
      /r\.yaml:3: rule 1 .*both/,
    ],
    ["a rule that says nothing", 'version: 1\nrules:\n  - match: "*"', /r\.yaml:3: rule 1 .*neither/],
    [
      "a kept rule with an activation",
      'version: 1\nrules:\n  - { match: "*", keep: float, activation: { scheme: float } }',
      /no `activation`/,
    ],
    [
      "a perplexity of nothing",
      'version: 1\nrules: [{ match: "*", keep: float }]\nevaluate:\n  - task: perplexity',
      /r\.yaml:4: .*`text` or `dataset`/,
    ],
    ["another version", 'version: 2\nrules: [{ match: "*", keep: float }]', /r\.yaml:1: `version`/],
    ["an empty file", "", /r\.yaml/],
    ["a list", "- 1", /r\.yaml/],
  ];
  test.each(cases)("%s", (_, text, message) => {
    expect(() => parse(text)).toThrow(message);
    try {
      parse(text);
    } catch (error) {
      expect(error).toBeInstanceOf(LuthierError);
      expect((error as LuthierError).usage).toBe(true);
    }
  });
});

test("whatever the text, there is a recipe or an error with a way out", () => {
  const fragment = fc.constantFrom(
    "version: 1",
    "rules:",
    '  - match: "*"',
    "    keep: float",
    "[",
    "{",
    "&a",
    "*a",
    "? ",
    ": ",
    "\n",
    "- ",
    "\t",
    "!!js",
    "'",
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(fragment).map((parts) => parts.join("\n")),
  );
  fc.assert(
    fc.property(text, (any) => {
      try {
        expect(parse(any).version).toBe(1);
      } catch (error) {
        if (!(error instanceof LuthierError)) throw error;
        expect(error.message).toContain("r.yaml");
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});

test("a thousand million aliases are refused, not unfolded", () => {
  const levels = Array.from(
    { length: 9 },
    (_, i) =>
      `a${i}: &a${i} [${Array(10)
        .fill(i === 0 ? "x" : `*a${i - 1}`)
        .join(", ")}]`,
  );
  expect(() => parse(levels.join("\n"))).toThrow(LuthierError);
});

test("a text that is all wrong is refused in seconds", () => {
  const begin = performance.now();
  expect(() => parse(`a: ${"<<: ".repeat(60_000)}`)).toThrow(LuthierError); // a fault at every fourth letter
  expect(performance.now() - begin).toBeLessThan(20_000);
});

test("keys within keys are refused in seconds, in little memory", () => {
  const begin = performance.now();
  expect(() => parse(`${"? ".repeat(50)}a: 1\nversion: 1\n`)).toThrow(/r\.yaml:1: unknown key/);
  expect(performance.now() - begin).toBeLessThan(2000);
});

test("of many faults the first twenty are told, and how many more there are", () => {
  const rules = (count: number) => '  - { match: "*", quantize: { method: rnt } }\n'.repeat(count);
  const told = (count: number) => {
    try {
      parse(`version: 1\nrules:\n${rules(count)}`);
    } catch (error) {
      return (error as Error).message.split("\n");
    }
  };
  expect(told(20)).toHaveLength(20);
  expect(told(2000)).toEqual([...told(20)!, "and 1980 more"]);
});

test("the published JSON Schema is that of the parser (`npm run schema` writes it)", () => {
  const published = readFileSync(path.join(import.meta.dirname, "../../recipes/recipe.schema.json"), "utf8");
  expect(JSON.parse(published)).toEqual(JSON.parse(JSON.stringify(recipeJsonSchema())));
});

test.each([
  ["lists", "[".repeat(5000)],
  ["block mappings", Array.from({ length: 3000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n")],
  ["block lists", "- ".repeat(5000)],
])("%s that are nested without end are a fault of the recipe", (_, text) => {
  expect(() => parse(text)).toThrow(LuthierError);
});

test.each(["{ toString: 1 }", "[{ toString: 1, valueOf: 2 }]"])(
  "a method that is no text is shown as it is: %s",
  (method) => {
    const rule = `{ match: "*", quantize: { method: ${method} } }`;
    expect(() => parse(`version: 1\nrules: [${rule}]`)).toThrow(LuthierError);
  },
);
