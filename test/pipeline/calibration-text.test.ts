import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { ModelDescription } from "../../src/model/architecture.js";
import { calibrationText } from "../../src/pipeline/calibration-text.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { bundledModel, temporaryFolder } from "./run.js";

/** A recipe beside a text of `words` words, each one token or more. */
function recipeWith(words: number, keys: object = {}) {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, "words.txt"), "the ".repeat(words));
  const rules = [{ match: "*", keep: "float" }];
  const text = JSON.stringify({ version: 1, rules, calibration: { text: "words.txt", ...keys } });
  const file = path.join(folder, "recipe.yaml");
  return { name: "recipe", file, text, recipe: parseRecipe(text, file) };
}

const model = (contextLength: number) => ({ contextLength }) as ModelDescription;
const read = (recipe: ReturnType<typeof recipeWith>, contextLength = 256) =>
  calibrationText(recipe, bundledModel, model(contextLength));

test("a window is the model's context long, 512 tokens at most, and there are 65,536 tokens", async () => {
  expect((await read(recipeWith(80_000))).source).toMatchObject({ windows: 256, length: 256 });
  expect((await read(recipeWith(80_000), 4096)).source).toMatchObject({ windows: 128, length: 512 });
});

test("the recipe decides how many windows there are, and how long", async () => {
  const { windows } = await read(recipeWith(2000, { samples: 3, length: 20 }));
  expect(windows.map(({ length }) => length)).toEqual([20, 20, 20]);
});

test("a short text gives what it has", async () => {
  expect((await read(recipeWith(700))).windows.length).toBe(2);
});

describe("is refused:", () => {
  test("windows longer than the model's context", async () => {
    await expect(read(recipeWith(2000, { length: 512 }))).rejects.toMatchObject({
      fix: "set the length to 256 or less",
    });
  });

  test("a text shorter than a window", async () => {
    await expect(read(recipeWith(5))).rejects.toMatchObject({
      fix: "give a longer text, or a smaller `length`",
    });
  });

  test("a text that is not there", async () => {
    const recipe = recipeWith(5, { text: "none.txt" });
    await expect(read(recipe)).rejects.toThrow(/none\.txt/);
  });
});
