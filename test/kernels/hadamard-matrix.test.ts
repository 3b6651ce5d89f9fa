import { describe, expect, test } from "vitest";
import { hadamardFactors, hadamardSize, type SignMatrix } from "../../src/kernels/hadamard-matrix.js";

/** QuaRot's published code has tables of these orders. */
const published = [12, 20, 28, 36, 40, 52, 60, 108, 140, 156, 172];

test.each(published)("a matrix of order %i is orthogonal", (order) => {
  const { cores } = hadamardFactors(order)!;
  for (const core of cores) expectHadamard(core);
});

test.each(published)("there is one of every size 2^n · %i", (order) => {
  for (let n = 0; n <= 8; n++) expect(hadamardSize(order * 2 ** n)).toBe(order * 2 ** n);
});

test("a core is the smallest that has the odd part, whatever power of two is left", () => {
  expect(ordersOf(40)).toEqual({ orders: [20], power: 2 });
  expect(ordersOf(11008)).toEqual({ orders: [172], power: 64 }); // Llama 2's feed-forward layer
  expect(ordersOf(4096)).toEqual({ orders: [], power: 4096 });
  expect(ordersOf(1)).toEqual({ orders: [], power: 1 });
});

test("every core that is used for some size up to 40,000 is orthogonal", () => {
  const cores = new Map<number, SignMatrix>();
  for (let size = 4; size <= 40_000; size += 4)
    for (const core of hadamardFactors(size)?.cores ?? []) cores.set(core.order, core);
  for (const core of cores.values()) expectHadamard(core);
  expect([...cores.keys()].sort((a, b) => a - b)).toEqual([
    12, 20, 28, 36, 44, 52, 60, 68, 76, 84, 108, 124, 132, 140, 148, 156, 164, 172, 180, 196, 200, 204, 212,
    220, 228, 252,
  ]);
});

describe("sizes that users of other code were refused", () => {
  test.each([
    [3584, { orders: [28], power: 128 }],
    [4864, { orders: [76], power: 64 }],
    [18944, { orders: [148], power: 128 }],
    [25600, { orders: [20, 20], power: 64 }],
    [29568, { orders: [44, 28, 12], power: 2 }],
  ])("%i has a matrix", (size, factors) => {
    expect(ordersOf(size)).toEqual(factors);
  });

  test("13696 = 107 · 128 has none here, and falls back to runs of 128", () => {
    expect(hadamardFactors(13696)).toBeNull();
    expect(hadamardSize(13696)).toBe(128);
  });
});

test.each([0, -4, 2.5, 3, 6, 2 ** 53])("%d has none", (size) => {
  expect(hadamardFactors(size)).toBeNull();
});

function ordersOf(size: number) {
  const { cores, power } = hadamardFactors(size)!;
  return { orders: cores.map(({ order }) => order), power };
}

/** HᵀH = m · I, of signs alone. */
function expectHadamard({ order, signs }: SignMatrix): void {
  expect(signs.length).toBe(order ** 2);
  expect(signs.every((sign) => Math.abs(sign) === 1)).toBe(true);
  for (let a = 0; a < order; a++) {
    for (let b = 0; b <= a; b++) {
      let dot = 0;
      for (let i = 0; i < order; i++) dot += signs[i * order + a] * signs[i * order + b];
      if (dot !== (a === b ? order : 0))
        throw new Error(`columns ${a} and ${b} of ${order} have the dot product ${dot}`);
    }
  }
}
