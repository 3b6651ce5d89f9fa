import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { type Granularity, scaleGrid } from "../../../src/schemes/scale-grid.js";
import type { GridOutline, GridScheme } from "../../../src/schemes/scheme.js";
import { blockTypeNames } from "../../../src/targets/gguf/blocks.js";
import { gguf } from "../../../src/targets/gguf/gguf.js";
import type { PackedGrid } from "../../../src/targets/target.js";
import { roundToFloat16 } from "../../../src/tensor/float.js";
import { randomInt, randomPlanes, seeds } from "../random-weights.js";

const float = { scheme: "float" } as const;
const auto = { type: "auto" } as const;

function intOutline(columns: number, granularity: Granularity, bits: number, symmetric = true): GridOutline {
  return { scheme: "int", bits, symmetric, ...scaleGrid(8, columns, granularity) };
}

function tritsOutline(columns: number, granularity: Granularity, planes = 1): GridOutline {
  return { scheme: "planes", alphabet: "trits", planes, ...scaleGrid(8, columns, granularity) };
}

function typeOf(weight: GridScheme): unknown {
  return gguf.pack(weight, auto).layout.type;
}

describe("the smallest type that holds a scheme is taken", () => {
  const shape = { rows: 3, columns: 512 };
  test.each([
    ["trits with a scale a 256", "tq1_0", randomPlanes({ ...shape, granularity: 256, planes: 1 }, 1)],
    ["trits with a scale a tensor", "tq1_0", randomPlanes({ ...shape, granularity: "tensor", planes: 1 }, 1)],
    ["trits with a scale a 64", "q2_0", randomPlanes({ ...shape, granularity: 64, planes: 1 }, 1)],
    ["trits with a scale a 32", "q4_0", randomPlanes({ ...shape, granularity: 32, planes: 1 }, 1)],
    ["two bits", "q2_0", randomInt({ ...shape, granularity: 128, bits: 2, symmetric: true }, 1)],
    ["three bits", "q4_0", randomInt({ ...shape, granularity: 128, bits: 3, symmetric: true }, 1)],
    ["four bits a row", "q4_0", randomInt({ ...shape, granularity: "row", bits: 4, symmetric: true }, 1)],
    ["five bits", "q8_0", randomInt({ ...shape, granularity: 32, bits: 5, symmetric: true }, 1)],
    ["eight bits", "q8_0", randomInt({ ...shape, granularity: 32, bits: 8, symmetric: true }, 1)],
  ] as const)("%s: %s", (_, type, weight) => {
    expect(typeOf(weight)).toBe(type);
  });
});

describe("unpack gives back what was packed", () => {
  const shape = fc.record({
    rows: fc.integer({ min: 1, max: 5 }),
    blocks: fc.integer({ min: 1, max: 3 }),
    granularity: fc.constantFrom<Granularity>(32, 64, 96, 256, "row", "tensor"),
  });
  const columnsOf = (granularity: Granularity, blocks: number) =>
    blocks * (typeof granularity === "number" ? granularity : 256);

  test("for codes of one to eight bits", () => {
    fc.assert(
      fc.property(
        shape,
        fc.integer({ min: 1, max: 8 }),
        seeds,
        ({ rows, blocks, granularity }, bits, seed) => {
          const columns = columnsOf(granularity, blocks);
          const weight = randomInt({ rows, columns, granularity, bits, symmetric: true }, seed);
          expect(gguf.unpack(gguf.pack(weight, auto))).toEqual(weight);
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  });

  test("for trits in every type", () => {
    fc.assert(
      fc.property(
        shape,
        fc.constantFrom(...blockTypeNames),
        seeds,
        ({ rows, blocks, granularity }, type, seed) => {
          const columns = columnsOf(granularity, blocks);
          const weight = randomPlanes({ rows, columns, granularity, planes: 1 }, seed);
          fc.pre(gguf.refuse({ ...weight }, float, { type }) === null);
          expect(gguf.unpack(gguf.pack(weight, { type }))).toEqual(weight);
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  });

  test("with scales of zero, and of both signs of zero", () => {
    const weight = randomInt({ rows: 2, columns: 64, granularity: 64, bits: 2, symmetric: true }, 1);
    weight.scales.set([0, -0]);
    expect(gguf.unpack(gguf.pack(weight, auto))).toEqual(weight);
  });
});

test("two bits are kept with scale and levels negated: −2 … 1 as 2 … −1", () => {
  const weight = randomInt({ rows: 1, columns: 64, granularity: 64, bits: 2, symmetric: true }, 1);
  weight.codes.fill(0);
  weight.scales[0] = 0.5;
  const { bytes } = gguf.pack(weight, auto).tensors.blocks;
  expect([...bytes]).toEqual([0x00, 0xb8, ...new Array(16).fill(255)]); // −0.5, four digits 3 a byte: level 2
});

test("one float32 scale of a tensor is FP16 in the blocks and exact in the layout", () => {
  const weight = randomPlanes({ rows: 2, columns: 256, granularity: "tensor", planes: 1 }, 1);
  weight.scales[0] = Math.fround(0.123456789);
  const { layout, tensors } = gguf.pack(weight, auto);
  expect(layout).toEqual({ type: "tq1_0", scale: Math.fround(0.123456789) });
  const view = new DataView(tensors.blocks.bytes.slice().buffer);
  expect(view.getUint16(52, true)).toBe(0x2fe7); // 0.12347412109375
});

describe("a linear is refused", () => {
  test.each([
    [
      "whose activations are rounded otherwise",
      tritsOutline(256, 256),
      "auto",
      /int8 per token/,
      /drop `activation`/,
    ],
    ["with two planes", tritsOutline(256, 256, 2), "auto", /2 trit planes/, /one plane/],
    ["with zero points", intOutline(256, 128, 4, false), "auto", /zero points/, /symmetric: true/],
    [
      "whose inputs are no 32s",
      intOutline(172, "row", 4),
      "auto",
      /172 inputs .* blocks of 32/,
      /keep .* float/,
    ],
    ["whose groups are no 32s", intOutline(256, 16, 4), "auto", /groups of 16 inputs/, /multiple of 32/],
    [
      "whose inputs are no 256s",
      tritsOutline(192, "tensor"),
      "tq2_0",
      /192 inputs .* blocks of 256/,
      /keep .* float/,
    ],
    ["whose groups are no 256s", tritsOutline(512, 128), "tq1_0", /groups of 128 inputs/, /multiple of 256/],
    ["whose levels do not fit", intOutline(256, 32, 5), "q4_0", /−?-16 … 15 do not fit q4_0/, /type: auto/],
  ] as const)("%s", (_, outline, type, reason, fix) => {
    const activation = /activations/.test(_) ? ({ scheme: "int8", per: "token" } as const) : float;
    const refusal = gguf.refuse(outline, activation, { type });
    expect(refusal?.reason).toMatch(reason);
    expect(refusal?.fix).toMatch(fix);
  });

  test("never, when it can be packed, and the other way round", () => {
    const weight = randomInt({ rows: 2, columns: 48, granularity: 16, bits: 4, symmetric: true }, 1);
    expect(() => gguf.pack(weight, auto)).toThrow(/does not take this linear: its groups of 16/);
  });
});

test.each([
  ["is beyond FP16", 70000],
  ["is infinite", Number.POSITIVE_INFINITY],
  ["is no number", Number.NaN],
  ["loses more than FP16's precision", 2 ** -20],
])("a tensor's scale that %s cannot be packed", (_, scale) => {
  const weight = randomPlanes({ rows: 2, columns: 256, granularity: "tensor", planes: 1 }, 1);
  weight.scales[0] = scale;
  expect(() => gguf.pack(weight, auto)).toThrow(LuthierError);
});

describe("a damaged pack gives an error", () => {
  const weight = randomInt({ rows: 2, columns: 128, granularity: 64, bits: 3, symmetric: true }, 1);
  const packed = gguf.pack(weight, auto);

  const changed = (change: (bytes: Uint8Array) => void): PackedGrid => {
    const bytes = packed.tensors.blocks.bytes.slice();
    change(bytes);
    return { ...packed, tensors: { blocks: { ...packed.tensors.blocks, bytes } } };
  };

  test("when its layout is none or another's", () => {
    const layouts: readonly PackedGrid["layout"][] = [
      {},
      { type: "q5_0" },
      { type: "q2_0" },
      { type: "q4_0", scale: 1 },
      { type: "q4_0", x: 1 },
    ];
    for (const layout of layouts) expect(() => gguf.unpack({ ...packed, layout })).toThrow(LuthierError);
  });

  test("when its blocks are missing or of another length", () => {
    const bytes = packed.tensors.blocks.bytes.subarray(1);
    const damaged: readonly PackedGrid["tensors"][] = [{}, { blocks: { ...packed.tensors.blocks, bytes } }];
    for (const tensors of damaged)
      expect(() => gguf.unpack({ ...packed, tensors })).toThrow(/its tensor blocks is/);
  });

  test("when a level is none of its scheme", () => {
    expect(() => gguf.unpack(changed((bytes) => bytes.fill(0xff, 2, 3)))).toThrow(/block 0 holds codes/);
  });

  test("when a group has two scales, or one that is no number", () => {
    expect(() => gguf.unpack(changed((bytes) => bytes.set([1, 1], 18)))).toThrow(/block 1 has another scale/);
    expect(() => gguf.unpack(changed((bytes) => bytes.set([0, 0x7e], 0)))).toThrow(/scale NaN/);
  });

  test("when the exact scale is not that of the blocks", () => {
    const ternary = randomPlanes({ rows: 2, columns: 256, granularity: "tensor", planes: 1 }, 1);
    ternary.scales[0] = 0.25;
    const sound = gguf.pack(ternary, auto);
    const other = { ...sound, layout: { ...sound.layout, scale: roundToFloat16(0.3) } };
    expect(() => gguf.unpack(other)).toThrow(/the scale 0\.25, its layout/);
    expect(() => gguf.unpack({ ...sound, layout: { ...sound.layout, scale: 0.1 } })).toThrow(/no float32/);
  });
});
