import { expect, test } from "vitest";
import { asRepresented, quantizeToken, quantizeTokenToInt16 } from "../../src/schemes/activation.js";
import { matrix } from "../../src/tensor/matrix.js";

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

test("an input as INT16 is nearer to itself than as INT8, each within half a step of its largest", () => {
  const input = matrix(2, 3, Float32Array.of(0.3, -1, 0.77, 20, 0.01, -3));
  for (const [scheme, steps] of [["int8", 127] as const, ["int16", 32767] as const]) {
    const found = asRepresented(input, { scheme, per: "token" }).data;
    for (const [i, value] of input.data.entries()) {
      const half = (i < 3 ? 1 : 20) / steps / 2;
      expect(Math.abs(found[i] - value)).toBeLessThanOrEqual(half * 1.001);
    }
  }
});
