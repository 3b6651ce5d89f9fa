import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { findTarget, targets } from "../../src/targets/registry.js";

test("a target is found by its name", () => {
  for (const target of targets) expect(findTarget(target.name)).toBe(target);
});

test("a name that is none is an error of usage that lists those that exist", () => {
  expect(() => findTarget("t-mak")).toThrow(LuthierError);
  try {
    findTarget("t-mak");
  } catch (error) {
    expect(error).toMatchObject({ usage: true, fix: expect.stringContaining("t-mac, tellme") });
  }
});
