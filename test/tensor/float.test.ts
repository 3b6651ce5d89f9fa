import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  float16ToNumber,
  fusedMultiplyAdd,
  fusedMultiplyAddFloat16,
  numberToFloat16,
  roundToFloat8,
  roundToFloat16,
  widen,
} from "../../src/tensor/float.js";

describe.each(["F8_E4M3", "F8_E5M2"] as const)("rounding to %s", (dtype) => {
  const values = new Float32Array(256);
  widen(
    dtype,
    Uint8Array.from({ length: 256 }, (_, i) => i),
    values,
  );
  const finite = [...new Set(values)].filter(Number.isFinite).sort((a, b) => a - b);

  test("leaves the values of the format as they are", () => {
    for (const value of finite) expect(roundToFloat8(dtype, value)).toBe(value || 0);
  });

  test("takes the nearer of two neighbours, halfway the one whose pattern is even", () => {
    for (const [i, low] of finite.slice(0, -1).entries()) {
      const high = finite[i + 1];
      const middle = (low + high) / 2;
      const nudge = (high - low) / 64;
      expect(roundToFloat8(dtype, middle - nudge)).toBeCloseTo(low, 12);
      expect(roundToFloat8(dtype, middle + nudge)).toBeCloseTo(high, 12);
      const even = values.indexOf(Math.abs(low)) % 2 === 0 ? low : high;
      expect(roundToFloat8(dtype, middle)).toBeCloseTo(even, 12);
    }
  });

  test("saturates at the largest value, and leaves NaN and infinity", () => {
    const largest = finite.at(-1) as number;
    expect(roundToFloat8(dtype, 3e38)).toBe(largest);
    expect(roundToFloat8(dtype, -largest * 1.2)).toBe(-largest);
    expect(roundToFloat8(dtype, Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
    expect(roundToFloat8(dtype, Number.NaN)).toBeNaN();
  });
});

describe("float16", () => {
  test("every finite pattern survives widening and narrowing", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = float16ToNumber(bits);
      if (!Number.isNaN(value)) expect(numberToFloat16(value)).toBe(bits);
    }
  });

  test.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff], // the largest
    [65519.99, 0x7bff],
    [65520, 0x7c00], // halfway to 2^16: to even, which is infinity
    [2 ** -14, 0x0400], // the least normal
    [2 ** -24, 0x0001], // the least subnormal
    [2 ** -25, 0x0000], // half of it: to even
    [2 ** -25 * 1.001, 0x0001],
    [1 + 2 ** -11, 0x3c00], // halfway: to even
    [1 + 3 * 2 ** -11, 0x3c02],
    [Number.NaN, 0x7e00],
    [Number.NEGATIVE_INFINITY, 0xfc00],
  ])("%d narrows to its nearest pattern", (value, bits) => {
    expect(numberToFloat16(value)).toBe(bits);
  });

  test("rounds to the nearest of all values, ties to the even pattern", () => {
    const all = Array.from({ length: 0x7c00 }, (_, bits) => float16ToNumber(bits));
    fc.assert(
      fc.property(fc.float({ min: 0, max: 65504, noNaN: true }), (value) => {
        const rounded = roundToFloat16(value);
        const at = all.indexOf(rounded);
        for (const other of [at - 1, at + 1]) {
          if (other < 0 || other >= all.length) continue;
          const [near, far] = [Math.abs(rounded - value), Math.abs(all[other] - value)];
          expect(near < far || (near === far && at % 2 === 0)).toBe(true);
        }
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

describe("float16 of float64 values", () => {
  test("is rounded once, not by way of float32", () => {
    // A little above the middle of 1 and the next float16: float32 loses the little, and the tie would go to 1.
    expect(roundToFloat16(1 + 2 ** -11 + 2 ** -40)).toBe(1 + 2 ** -10);
    expect(roundToFloat16(-(2 ** -25) * (1 + 2 ** -40))).toBe(-(2 ** -24));
  });

  test.each([
    [65519.999999999, 65504],
    [65520, Number.POSITIVE_INFINITY],
    [-1e300, Number.NEGATIVE_INFINITY],
    [Number.NaN, Number.NaN],
    [-0, -0],
    [-(2 ** -26), -0],
  ])("%d becomes %d", (value, rounded) => {
    expect(roundToFloat16(value)).toBe(rounded);
  });

  test("is that of the pattern for every float32", () => {
    fc.assert(
      fc.property(fc.float(), (value) => {
        expect(roundToFloat16(value)).toBe(float16ToNumber(numberToFloat16(value)));
      }),
      { numRuns: 1000, seed: 2 },
    );
  });

  test("a fused multiply-add is the exact sum of whole numbers, rounded once", () => {
    const half = fc.integer({ min: 0, max: 0x77ff }); // below 2^15
    fc.assert(
      fc.property(half, half, half, fc.boolean(), (a, b, c, negative) => {
        const [x, y, z] = [a, b, c].map(float16ToNumber);
        const units = (value: number, unit: number) => BigInt(value * 2 ** unit); // exact: 2^-24 is the least
        const sum = units(x, 24) * units(y, 24) + (negative ? -1n : 1n) * (units(z, 24) << 24n);
        const found = fusedMultiplyAddFloat16(x, y, negative ? -z : z);
        if (!Number.isFinite(found)) return;
        const off = (value: number) => {
          const error = (units(value, 24) << 24n) - sum;
          return error < 0n ? -error : error;
        };
        const pattern = numberToFloat16(Math.abs(found));
        for (const neighbour of [pattern - 1, pattern + 1]) {
          if (neighbour < 0 || neighbour > 0x7bff) continue;
          const other = off(Math.sign(found) * float16ToNumber(neighbour));
          expect(off(found) < other || (off(found) === other && pattern % 2 === 0)).toBe(true);
        }
      }),
      { numRuns: 2000, seed: 3 },
    );
  });
});

describe("widening", () => {
  const one = (dtype: "BF16" | "F8_E4M3" | "F8_E5M2", ...bytes: number[]) => {
    const out = new Float32Array(1);
    widen(dtype, Uint8Array.from(bytes), out);
    return out[0];
  };

  test.each([
    ["BF16", [0x80, 0x3f], 1],
    ["BF16", [0x49, 0x40], 3.140625],
    ["F8_E4M3", [0x7e], 448], // the largest
    ["F8_E4M3", [0x01], 2 ** -9], // the least subnormal
    ["F8_E4M3", [0xb8], -1],
    ["F8_E4M3", [0x7f], Number.NaN],
    ["F8_E5M2", [0x7b], 57344],
    ["F8_E5M2", [0x01], 2 ** -16],
    ["F8_E5M2", [0x7c], Number.POSITIVE_INFINITY],
  ] as const)("%s %j is %d", (dtype, bytes, value) => {
    expect(one(dtype, ...bytes)).toBe(value);
  });

  test("bytes of another length are refused", () => {
    expect(() => widen("F16", new Uint8Array(3), new Float32Array(2))).toThrow(RangeError);
  });
});

describe("fused multiply-add", () => {
  const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
  const near = fc
    .tuple(finite, finite)
    .map(([a, b]) => [a, b, Math.fround(-a * b)] as const)
    .filter(([, , c]) => Number.isFinite(c)); // cancels
  const wide = fc.tuple(finite, finite, finite);

  test("is the exact product and sum rounded once", () => {
    fc.assert(
      fc.property(fc.oneof(near, wide), ([a, b, c]) => {
        expect(fusedMultiplyAdd(a, b, c)).toBe(roundedOnce(a, b, c));
      }),
      { numRuns: 5000, seed: 1 },
    );
  });

  test("escapes double rounding", () => {
    // 1 + 2^-24 is halfway between two float32 values; a little more or less decides.
    for (const a of [2 ** -12 + 2 ** -35, 2 ** -12 - 2 ** -36, 2 ** -12]) {
      expect(fusedMultiplyAdd(a, 2 ** -12, 1)).toBe(roundedOnce(a, 2 ** -12, 1));
    }
    expect(fusedMultiplyAdd(2 ** -12 + 2 ** -35, 2 ** -12, 1)).toBe(1 + 2 ** -23);
    expect(fusedMultiplyAdd(2 ** -12, 2 ** -12, 1)).toBe(1);
    expect(fusedMultiplyAdd(1 + 2 ** -23, 2 ** -60, 1 + 2 ** -23 + 0)).toBe(1 + 2 ** -23);
  });

  test("infinities and NaN behave as in IEEE 754", () => {
    expect(fusedMultiplyAdd(Number.POSITIVE_INFINITY, 1, 1)).toBe(Number.POSITIVE_INFINITY);
    expect(fusedMultiplyAdd(Number.POSITIVE_INFINITY, 0, 1)).toBeNaN();
    expect(fusedMultiplyAdd(3e38, 10, 1)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("fused multiply-add of float16", () => {
  test("rounds the exact result once, subnormal, overflowing and signed zeros too", () => {
    const half = fc.integer({ min: 0, max: 0xffff }).map(float16ToNumber).filter(Number.isFinite);
    // Terms of like size, whose sum can be near the middle of two float16 values.
    const near = fc.tuple(half, half, fc.integer({ min: -40, max: 40 })).map(([a, b, steps]) => {
      const c = roundToFloat16(-a * b * (1 + steps / 1024));
      return [a, b, Number.isFinite(c) ? c : 0] as const;
    });
    fc.assert(
      fc.property(fc.oneof(fc.tuple(half, half, half), near), ([a, b, c]) => {
        expect(fusedMultiplyAddFloat16(a, b, c)).toBe(roundedOnceToFloat16(a, b, c));
      }),
      { numRuns: 20000, seed: 2 },
    );
  });

  test("escapes rounding twice by way of float32", () => {
    // The product is 2^-31 less than 2^-11, half a step of float16 above 1: float32 beside 1 does not hold the difference.
    const [a, b] = [2 ** -11 + 2 ** -21, 1 - 2 ** -10];
    expect(fusedMultiplyAddFloat16(a, b, 1 + 2 ** -10)).toBe(1 + 2 ** -10);
    expect(fusedMultiplyAddFloat16(-a, b, 1 + 3 * 2 ** -10)).toBe(1 + 3 * 2 ** -10);
    // The middle itself goes to the even neighbour, among subnormals too.
    expect(fusedMultiplyAddFloat16(2 ** -11, 1, 1 + 2 ** -10)).toBe(1 + 2 ** -9);
    expect(fusedMultiplyAddFloat16(2 ** -24, 0.5, 2 ** -24)).toBe(2 ** -23);
  });

  test("infinities and NaN behave as in IEEE 754", () => {
    expect(fusedMultiplyAddFloat16(65504, 2, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(fusedMultiplyAddFloat16(Number.POSITIVE_INFINITY, -1, 1)).toBe(Number.NEGATIVE_INFINITY);
    expect(fusedMultiplyAddFloat16(Number.POSITIVE_INFINITY, 0, 1)).toBeNaN();
  });
});

/** `a · b + c` of float16 values by whole numbers of 2^-48, then rounded to the nearest float16, half to even. */
function roundedOnceToFloat16(a: number, b: number, c: number): number {
  const exact = BigInt(a * 2 ** 24) * BigInt(b * 2 ** 24) + (BigInt(c * 2 ** 24) << 24n);
  if (exact === 0n) return a * b + c; // keeps the sign of zero
  const magnitude = exact < 0n ? -exact : exact;
  const drop = BigInt(Math.max(24, magnitude.toString(2).length - 11));
  const rest = magnitude & ((1n << drop) - 1n);
  const half = 1n << (drop - 1n);
  let kept = magnitude >> drop;
  if (rest > half || (rest === half && (kept & 1n) === 1n)) kept += 1n;
  const value = Number(kept << drop) * 2 ** -48;
  return (exact < 0n ? -1 : 1) * (value > 65504 ? Number.POSITIVE_INFINITY : value);
}

/** `a · b + c` by whole numbers of 2^-298, then rounded to the nearest float32, half to even. */
function roundedOnce(a: number, b: number, c: number): number {
  const exact = units(a) * units(b) + (units(c) << 149n);
  if (exact === 0n) return a * b + c; // keeps the sign of zero
  const magnitude = exact < 0n ? -exact : exact;
  const bits = magnitude.toString(2).length;
  const step = Math.max(bits - 24, 298 - 149); // float32 spacing: 24 bits, or 2^-149
  const whole = magnitude >> BigInt(step);
  const rest = magnitude - (whole << BigInt(step));
  const half = 1n << BigInt(step - 1);
  const rounded = rest > half || (rest === half && whole % 2n === 1n) ? whole + 1n : whole;
  const value = Number(rounded) * 2 ** (step - 298);
  const float = value >= 2 ** 128 ? Number.POSITIVE_INFINITY : value;
  return exact < 0n ? -float : float;
}

/** A float32 as a whole number of 2^-149, the least subnormal; the float64 product is exact. */
function units(value: number): bigint {
  return BigInt(value * 2 ** 149);
}
