import { describe, expect, test } from "vitest";
import { doubled, timingsOf, wholeSeconds } from "../../src/pipeline/extrapolate.js";

describe("the whole from timings of shares", () => {
  const timed = (seconds: (share: number) => number, ...shares: readonly number[]) =>
    shares.map((share) => ({ share, seconds: seconds(share) }));

  test.each([
    ["products of matrices", "sides", (s: number) => 7 * s ** 3, 7],
    ["passes over matrices", "sides", (s: number) => 3 * s ** 2, 3],
    ["both", "sides", (s: number) => 7 * s ** 3 + 3 * s ** 2, 10],
    ["rows", "rows", (s: number) => 5 * s, 5],
    ["rows after a beginning", "rows", (s: number) => 5 * s + 2, 7],
  ] as const)("%s", (_, growth, seconds, whole) => {
    expect(wholeSeconds(timed(seconds, 1 / 8, 1 / 4), growth)).toBeCloseTo(whole, 10);
  });

  test("one timing alone is taken to grow with the higher power", () => {
    expect(wholeSeconds([{ share: 1 / 4, seconds: 1 }], "sides")).toBe(64);
    expect(wholeSeconds([{ share: 1 / 4, seconds: 1 }], "rows")).toBe(4);
  });

  test("what was done whole counts as it was timed", () => {
    expect(
      wholeSeconds(
        timed((s) => s, 1 / 2, 1),
        "sides",
      ),
    ).toBe(1);
  });

  test("no part is negative where timings scatter: one power is fitted to them then", () => {
    const faster = [
      { share: 1 / 4, seconds: 1 },
      { share: 1 / 2, seconds: 1 },
    ];
    expect(wholeSeconds(faster, "sides")).toBeCloseTo((4 + 2) / (1 / 4 + 1 / 2), 10);
    const slower = [
      { share: 1 / 4, seconds: 0.001 },
      { share: 1 / 2, seconds: 1 },
    ];
    expect(wholeSeconds(slower, "sides")).toBeCloseTo(1.001 / (1 / 64 + 1 / 8), 10);
  });

  test("one outlier among three is less than the whole truth", () => {
    const timings = [1 / 16, 1 / 8, 1 / 4].map((share) => ({ share, seconds: share ** 2 }));
    timings[2].seconds *= 1.5;
    expect(wholeSeconds(timings, "sides")).toBeLessThan(4);
    expect(wholeSeconds(timings, "sides")).toBeGreaterThan(1);
  });
});

describe("timing growing shares", () => {
  test("goes on while the next is likely to end in time", async () => {
    const done: number[] = [];
    const timings = await timingsOf([1 / 8, 1 / 4, 1 / 2, 1], "sides", 0.1, async (share) => {
      done.push(share);
      return () => new Promise((resolve) => setTimeout(resolve, 60));
    });
    expect(done).toEqual([1 / 8, 1 / 4]); // two in any case; then eight times 60 ms would follow
    expect(timings[1].seconds).toBeGreaterThan(0.03);
  });

  test("times all that is quick", async () => {
    const timings = await timingsOf([1 / 4, 1 / 2, 1], "rows", 60, async () => async () => {});
    expect(timings.map(({ share }) => share)).toEqual([1 / 4, 1 / 2, 1]);
  });
});

test("counts are doubled up to all", () => {
  expect(doubled(128, 1000)).toEqual([128, 256, 512, 1000]);
  expect(doubled(128, 128)).toEqual([128]);
  expect(doubled(256, 128)).toEqual([128]);
});
