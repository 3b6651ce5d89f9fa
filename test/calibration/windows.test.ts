import { describe, expect, test } from "vitest";
import { calibrationWindows } from "../../src/calibration/windows.js";

const text = Int32Array.from({ length: 10 }, (_, i) => i);

describe("windows for calibration", () => {
  test("are spread from the beginning to the end of the text", () => {
    expect(calibrationWindows(text, 2, 3).map((window) => [...window])).toEqual([
      [0, 1, 2],
      [7, 8, 9],
    ]);
  });

  test("do not overlap, and are fewer where the text is shorter", () => {
    expect(calibrationWindows(text, 128, 4).map((window) => [...window])).toEqual([
      [0, 1, 2, 3],
      [6, 7, 8, 9],
    ]);
  });

  test("one window is the beginning", () => {
    expect([...calibrationWindows(text, 1, 4)[0]]).toEqual([0, 1, 2, 3]);
  });

  test("a text without a whole window is refused", () => {
    expect(() => calibrationWindows(text, 1, 11)).toThrow(/10 tokens, fewer than one window of 11/);
  });
});
