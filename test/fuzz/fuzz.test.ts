import { describe, expect, test } from "vitest";
import { fuzz } from "./fuzz.js";
import { parsers } from "./registry.js";

describe("a damaged file ends in a value or a LuthierError, soon, in little memory, within its folder:", () => {
  test.each(parsers.map((parser) => [parser.name, parser] as const))("%s", async (_, parser) => {
    const open = await parser.open();
    try {
      const { values, outcomes, faults } = await fuzz(open, {
        seed: 1,
        inputs: open.seeds.length + 300,
        seconds: 5,
      });
      expect(faults.map(({ what }) => what)).toEqual([]);
      expect(values).toBeGreaterThan(0);
      expect(outcomes).toBeGreaterThan(0);
    } finally {
      await open.close();
    }
  });
});
