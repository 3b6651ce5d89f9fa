import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { parseBudget } from "../../src/search/budget.js";

test.each([
  ["3", "bits", 3],
  ["3.2bits", "bits", 3.2],
  ["3.2 bits", "bits", 3.2],
  ["1.5MiB", "bytes", 1.5 * 2 ** 20],
  ["900 kB", "bytes", 900_000],
  ["1200000bytes", "bytes", 1_200_000],
  ["2.5Mcycles", "cycles", 2_500_000],
  ["1e", null, 0],
  ["3kbits", null, 0],
  ["0", null, 0],
  ["-3", null, 0],
  ["MiB", null, 0],
  ["3.2.1", null, 0],
  ["5 Kicycles", null, 0],
])("%s", (text, unit, amount) => {
  if (unit === null) expect(() => parseBudget(text)).toThrow(LuthierError);
  else expect(parseBudget(text)).toEqual({ unit, amount });
});
