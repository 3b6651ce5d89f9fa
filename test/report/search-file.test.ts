import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { searchBeside } from "../../src/report/search-file.js";
import { temporaryFolder } from "../pipeline/run.js";

const option = {
  candidate: { name: "rtn: int4 g128" },
  bitsPerWeight: 4.2,
  bytes: 10,
  loss: 0.1,
  error: 0.01,
};
const search = {
  ...{ model: "tiny", text: { name: "a.txt", probedTokens: 256 }, uniform: [], compared: [] },
  found: { bitsPerWeight: 4.2, divergence: 0.09 },
  linears: [{ name: "q", weights: 16, options: [option], chosen: 0 }],
};

function folderWith(contents: object): string {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, "search.json"), JSON.stringify(contents));
  return folder;
}

test("what lies beside a recipe's file is read", async () => {
  const found = await searchBeside(path.join(folderWith(search), "recipe.yaml"));
  expect(found?.linears[0].options[0].loss).toBe(0.1);
});

test("a shipped recipe, and one without a search, has none", async () => {
  expect(await searchBeside("rtn-int4-g128")).toBeNull();
  expect(await searchBeside(path.join(temporaryFolder(), "recipe.yaml"))).toBeNull();
});

test("a chosen option that there is none of is damage", async () => {
  const [linear] = search.linears;
  const folder = folderWith({ ...search, linears: [{ ...linear, chosen: 3 }] });
  await expect(searchBeside(path.join(folder, "recipe.yaml"))).rejects.toThrow(
    /search\.json is damaged.*no such option/,
  );
});
