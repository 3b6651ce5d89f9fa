import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import type { IntScheme } from "../../../src/schemes/int.js";
import type { PlanesScheme } from "../../../src/schemes/planes.js";
import { coefficientsOf, intScales, planesScales } from "../../../src/targets/lut-gemm/coefficients.js";
import { float16ToNumber, roundToFloat16 } from "../../../src/tensor/float.js";

/** Integer codes of a row of groups of 32, all 0: only scales and zero points matter here. */
function int(bits: number, scales: readonly number[], zeroPoints: readonly number[] | null): IntScheme {
  const columns = 32 * scales.length;
  return {
    ...{ scheme: "int", bits, symmetric: zeroPoints === null, rows: 1, columns, group: 32, scaleRows: 1 },
    codes: new Uint8Array(0),
    scales: Float32Array.from(scales),
    zeroPoints: zeroPoints && Uint8Array.from(zeroPoints),
  };
}

function trits(scales: readonly number[]): PlanesScheme {
  const columns = 32 * scales.length;
  return {
    ...{ scheme: "planes", alphabet: "trits", planes: 1, rows: 1, columns, group: 32, scaleRows: 1 },
    codes: new Int8Array(0),
    scales: Float32Array.from(scales),
  };
}

const positives = Array.from({ length: 0x7bff }, (_, i) => float16ToNumber(i + 1));

test("two bits, scale 0.5 and zero point 1 are α = 0.25, 0.5 and the bias 0.25", () => {
  const { alpha, bias } = coefficientsOf(int(2, [0.5], [1]));
  expect([[...alpha], [...bias]]).toEqual([[0.25, 0.5], [0.25]]);
});

test("two trit planes are four sign planes of half their scales", () => {
  const weight = { ...trits([3]), planes: 2, scales: Float32Array.of(3, 1) };
  expect([...coefficientsOf(weight).alpha]).toEqual([1.5, 1.5, 0.5, 0.5]);
});

test("sign planes keep their scales and offsets", () => {
  const weight: PlanesScheme = {
    ...trits([3]),
    ...{ alphabet: "signs", offset: true, offsets: Float32Array.of(-0.25) },
  };
  const { alpha, bias } = coefficientsOf(weight);
  expect([[...alpha], [...bias]]).toEqual([[3], [-0.25]]);
});

describe("scale and zero point are found again", () => {
  test.each([2, 3, 4, 5, 6, 7, 8])("%i bits, every float16 scale that does not overflow", (bits) => {
    const most = 2 ** bits - 1;
    const scales = positives.filter((scale) => scale * most * 0.5 < 65504 && scale * 2 ** (bits - 2) < 65504);
    for (const zeroPoint of [0, 2 ** (bits - 1) - 1, most]) {
      const weight = int(
        bits,
        scales,
        scales.map(() => zeroPoint),
      );
      const found = intScales(coefficientsOf(weight), weight);
      expect(found.scales).toEqual(weight.scales);
      expect(found.zeroPoints).toEqual(weight.zeroPoints);
    }
  });

  test("every zero point of eight bits, for the scales where its bias rounds most", () => {
    for (const scale of [2 ** -24, 3 * 2 ** -24, 1023 * 2 ** -24, 2047 * 2 ** -20, 1 + 2 ** -10, 511.75]) {
      const zeroPoints = Array.from({ length: 256 }, (_, zero) => zero);
      const weight = int(
        8,
        zeroPoints.map(() => scale),
        zeroPoints,
      );
      expect([...(intScales(coefficientsOf(weight), weight).zeroPoints ?? [])]).toEqual(zeroPoints);
    }
  });

  test("negative scales, and a scale of 0 without zero points", () => {
    const negative = int(4, [-0.5, -(2 ** -24)], [3, 12]);
    expect(intScales(coefficientsOf(negative), negative)).toEqual({
      scales: negative.scales,
      zeroPoints: negative.zeroPoints,
    });
    const zero = int(4, [0], null);
    expect([...intScales(coefficientsOf(zero), zero).scales]).toEqual([0]);
  });

  test("every float16 scale of a trit plane; an odd multiple of 2^-24 has halves that differ by that", () => {
    const weight = trits(positives);
    const coefficients = coefficientsOf(weight);
    expect(planesScales(coefficients, weight).scales).toEqual(weight.scales);
    expect([coefficients.alpha[2], coefficients.alpha[positives.length + 2]]).toEqual([2 ** -23, 2 ** -24]);
  });
});

test("the bias is within 0.07 scales of the exact one", () => {
  for (const scale of [0.01, 1 + 2 ** -10, 100].map(roundToFloat16)) {
    for (let zero = 0; zero < 256; zero++) {
      const [bias] = coefficientsOf(int(8, [scale], [zero])).bias;
      expect(Math.abs(bias - (scale * (255 - 2 * zero)) / 2)).toBeLessThan(0.07 * scale);
    }
  }
});

describe("what could not be found again is refused", () => {
  test.each<[string, IntScheme | PlanesScheme, RegExp]>([
    ["a scale of 0 with a zero point", int(4, [1, 0], [8, 3]), /scale 1 is 0/],
    ["one bit whose half scale is no float16", int(1, [3 * 2 ** -24], [0]), /half of scale 0/],
    ["a scale whose highest α overflows", int(8, [2000], [128]), /alpha 7 would be Infinity/],
    ["a scale whose bias overflows", int(8, [600], [0]), /bias 0 would be Infinity/],
    ["a scale that is not finite", trits([Number.NaN]), /alpha 0 would be NaN/],
  ])("%s", (_, weight, message) => {
    expect(() => coefficientsOf(weight)).toThrow(message);
    expect(() => coefficientsOf(weight)).toThrow(LuthierError);
  });
});
