import { expect, test } from "vitest";
import { quantizeToken, quantizeTokenToInt16 } from "../../src/schemes/activation.js";

test("INT16 tokens are quantized by their largest magnitude, half to even", () => {
  expect([...quantizeTokenToInt16(Float32Array.of(2, 1, -1, 0.5)).codes]).toEqual([
    32767, 16384, -16384, 8192,
  ]);
});

test("no token reaches the least code of its width", () => {
  for (const most of [1e-6, 0.3, 1, 1e30]) {
    const x = Float32Array.of(-most, most);
    expect(Math.max(...quantizeToken(x).codes.map(Math.abs))).toBeLessThanOrEqual(127);
    expect(Math.max(...quantizeTokenToInt16(x).codes.map(Math.abs))).toBeLessThanOrEqual(32767);
  }
});
