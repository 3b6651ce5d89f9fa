import { expect, test } from "vitest";
import { modelName, recipeName } from "../../src/report/names.js";

test("a checkpoint of the hub's cache is called by its id", () => {
  const snapshot = "/home/me/.cache/huggingface/hub/models--Qwen--Qwen3-0.6B/snapshots/c1899de2";
  expect(modelName(snapshot)).toBe("Qwen/Qwen3-0.6B");
  expect(modelName("models/tiny/")).toBe("tiny");
});

test("a recipe's file is called without its folder and ending, unless a search wrote it", () => {
  expect(recipeName("rtn-int4-g128")).toBe("rtn-int4-g128");
  expect(recipeName("/work/my.yaml")).toBe("my");
  expect(recipeName("runs/tiny-search/recipe.yaml")).toBe("tiny-search/recipe");
});
