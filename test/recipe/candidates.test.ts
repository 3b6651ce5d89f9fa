import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { loadCandidates, parseCandidates } from "../../src/recipe/candidates.js";
import { temporaryFolder } from "../pipeline/run.js";

const text = "- quantize: { method: rtn, bits: 3 }\n- quantize: { method: trit-planes }\n";

test("a file is a list of what rules say, with every default filled in", async () => {
  const file = path.join(temporaryFolder(), "mine.yaml");
  writeFileSync(file, text);
  expect(await loadCandidates(file)).toEqual([
    { quantize: { method: "rtn", bits: 3, group: 128, symmetric: false, clip: false } },
    { quantize: { method: "trit-planes", planes: 2, group: 128 } },
  ]);
});

test("a list may stand in the file's place", async () => {
  const [first] = await loadCandidates(
    "[{ quantize: { method: rtn, bits: 2 }, activation: { scheme: int8 } }]",
  );
  expect(first).toMatchObject({ quantize: { bits: 2 }, activation: { scheme: "int8" } });
});

test.each([
  ["- quantize: { method: rnt }", /mine\.yaml:1: unknown method `rnt`: did you mean `rtn`/],
  ["- quantize: { method: rtn, bitz: 3 }", /mine\.yaml:1: unknown key `bitz`: did you mean `bits`/],
  ["- { quantize: { method: rtn } }\n- { keep: float }", /mine\.yaml:2: .*/],
  ["- quantize: { method: stored }", /mine\.yaml:1: `stored` is no quantizer/],
  ["[]", /the list/],
])("a fault has its line: %s", (fault, message) => {
  expect(() => parseCandidates(fault, "mine.yaml")).toThrow(message);
});

test("a file that is not there is named", async () => {
  await expect(loadCandidates("/no/such.yaml")).rejects.toThrow(/cannot read \/no\/such.yaml/);
});
