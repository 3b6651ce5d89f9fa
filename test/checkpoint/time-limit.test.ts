import { expect, test } from "vitest";
import { TookTooLong, withinTime } from "../../src/checkpoint/time-limit.js";

const word = `${"a".repeat(40)}b`;
const long = "a".repeat(2_000_000);

test.each<[string, () => unknown]>([
  ["a repetition within a repetition", () => word.match(/(a+)+$/gu)],
  ["alternatives that overlap", () => word.split(/(a|a)*$/gu)],
  ["a repetition of what may be empty", () => word.replaceAll(/(a*)*$/gu, "")],
  ["a search from every place to the end", () => long.match(/a*b/gu)],
  ["a look back from every place", () => [...long.matchAll(/(?<=b[^b]*)a/gu)]],
  [
    "a loop",
    () => {
      for (;;);
    },
  ],
])("%s is stopped when its time is over", (_, work) => {
  const begin = performance.now();
  expect(() => withinTime(100, work)).toThrow(new TookTooLong("took longer than 0.1 seconds"));
  expect(performance.now() - begin).toBeLessThan(2000);
});

test("work within its time gives its value, or its own error", () => {
  expect(withinTime(1000, () => word.length)).toBe(41);
  const own = new RangeError("of its own");
  expect(() =>
    withinTime(1000, () => {
      throw own;
    }),
  ).toThrow(own);
});

test("work within work has its own time", () => {
  expect(withinTime(1000, () => `${withinTime(1000, () => 1)} and ${withinTime(1000, () => 2)}`)).toBe(
    "1 and 2",
  );
});
