import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import { packWeight } from "../../../src/targets/t-mac/layout.js";
import { tMac } from "../../../src/targets/t-mac/t-mac.js";
import type { PackedGrid } from "../../../src/targets/target.js";
import type { TensorBytes } from "../../../src/tensor/tensor.js";
import { randomInt, randomPlanes, randomSigns, seeds, withFloatZeroPoints } from "../random-weights.js";

const auto = tMac.parameters.parse({});

const int = fc
  .record({
    bits: fc.integer({ min: 1, max: 4 }),
    rows: fc.constantFrom(32, 64, 96, 128, 192),
    columns: fc.constantFrom(64, 128, 192),
    granularity: fc.constantFrom(32, 64, "row" as const, "tensor" as const),
    symmetric: fc.boolean(),
  })
  .filter(({ granularity, symmetric }) => symmetric || granularity !== "tensor");

describe("unpack gives back what was packed", () => {
  test("int, 1 to 4 bits", () => {
    fc.assert(
      fc.property(int, seeds, (shape, seed) => {
        const weight = randomInt(shape, seed);
        expect(tMac.unpack(tMac.pack(weight, auto))).toEqual(weight);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  test("int with float zero points", () => {
    const asymmetric = int.filter(({ granularity }) => granularity !== "tensor");
    fc.assert(
      fc.property(asymmetric, seeds, (shape, seed) => {
        const weight = withFloatZeroPoints(randomInt({ ...shape, symmetric: false }, seed), seed);
        expect(tMac.unpack(tMac.pack(weight, auto))).toEqual(weight);
      }),
      { numRuns: 60, seed: 3 },
    );
  });

  test("one to three trit planes", () => {
    const shape = fc.record({
      rows: fc.constantFrom(16, 64, 160),
      columns: fc.constantFrom(64, 192),
      granularity: fc.constantFrom(32, 64, "row" as const, "tensor" as const),
      planes: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(shape, seeds, (chosen, seed) => {
        const weight = randomPlanes(chosen, seed);
        expect(tMac.unpack(tMac.pack(weight, auto))).toEqual(weight);
      }),
      { numRuns: 40, seed: 2 },
    );
  });
});

test("bytes and scales are those of T-MAC's own chain of reshapes and transpositions", () => {
  const layouts = [
    { bits: 2, tileRows: 128, kFactor: 8 },
    { bits: 4, tileRows: 64, kFactor: 16 },
    { bits: 3, tileRows: 96, kFactor: 16 },
    { bits: 1, tileRows: 32, kFactor: 8 },
  ];
  for (const { bits, tileRows, kFactor } of layouts) {
    const weight = randomInt({ rows: 64, columns: 128, granularity: 64, bits, symmetric: false }, bits);
    const packed = packWeight(weight, {
      bits,
      passes: 1,
      tileRows,
      kFactor,
      activationGroup: 32,
      float: "float32",
      aggregation: "exact",
    });
    const chain = publishedChain(weight.codes, 64, 128, bits, tileRows, kFactor);
    expect([...packed["pass0.weight"].bytes], `${bits} bits`).toEqual(chain);
    const middle = 2 ** (bits - 1);
    const zeros = weight.scales.map((scale, i) => ((weight.zeroPoints?.[i] ?? 0) - middle) * scale);
    const scales = new Float32Array(packed["pass0.scales"].bytes.slice().buffer);
    expect([...scales]).toEqual(publishedScales([...weight.scales], [...zeros], 64, 2, bits, tileRows));
  }
});

test("float32 scales of groups come back as they were", () => {
  const weight = randomInt({ rows: 32, columns: 64, granularity: 32, bits: 4, symmetric: true }, 7);
  const wide = { ...weight, scaleDtype: "F32", scales: weight.scales.map((scale) => scale / 3) } as const;
  expect(tMac.unpack(tMac.pack(wide, auto))).toEqual(wide);
});

test("a two-bit weight of −1.5, −0.5, 0.5, 1.5 scales is one nibble pair a byte", () => {
  // Output 0 has codes 1, 3, 0, 2 (bits 01 11 00 10): plane 0 = 1,1,0,0 → 0b0011; plane 1 = 0,1,0,1 → 0b1010.
  const codes = new Uint8Array(16 * 64);
  codes.set([1, 3, 0, 2]);
  const weight = {
    ...randomInt({ rows: 16, columns: 64, granularity: 64, bits: 2, symmetric: true }, 1),
    codes,
  };
  const { bytes } = tMac.pack(weight, { ...auto, tileRows: 32 }).tensors["pass0.weight"];
  expect(bytes[0]).toBe(0b0011); // expanded row 0: output 0, plane 0
  expect(bytes[8]).toBe(0b1010); // expanded row 8: output 0, plane 1
  expect(bytes.reduce((sum, byte) => sum + byte)).toBe(0b0011 + 0b1010);
});

describe("what does not fit is refused", () => {
  const float = { scheme: "float" } as const;
  const outline = (bits: number, rows: number, columns: number, group: number) =>
    ({ scheme: "int", bits, symmetric: true, rows, columns, group, scaleRows: rows }) as const;

  test("more than four bits", () => {
    expect(tMac.refuse(outline(5, 64, 64, 64), float, auto)?.reason).toContain("5 bits");
  });

  test("outputs that are no whole tiles", () => {
    expect(tMac.refuse(outline(2, 12, 64, 64), float, auto)?.reason).toContain("12 outputs");
  });

  test("inputs that are no whole blocks", () => {
    expect(tMac.refuse(outline(2, 64, 172, 172), float, auto)?.reason).toContain("172 inputs");
  });

  test("float32 scales that float16 cannot hold, with zero points or on ARM; else they are taken", () => {
    const wide = { ...outline(2, 64, 64, 64), scaleDtype: "F32" } as const;
    expect(tMac.refuse(wide, float, auto)).toBeNull();
    expect(tMac.refuse({ ...wide, symmetric: false }, float, auto)?.reason).toContain("zero points");
    expect(tMac.refuse(wide, float, { ...auto, float: "float16" })?.fix).toContain("float32");
  });

  test("INT8 activations", () => {
    expect(tMac.refuse(outline(2, 64, 64, 64), { scheme: "int8", per: "token" }, auto)?.fix).toContain(
      "tellme",
    );
  });

  test("sign planes, and planes with an offset", () => {
    const shape = { rows: 64, columns: 64, granularity: 64, planes: 2 };
    expect(tMac.refuse(randomSigns({ ...shape, offset: true }, 1), float, auto)).toEqual({
      reason: "its planes hold signs, this target takes trits",
      fix: expect.stringContaining("lut-gemm"),
    });
    const trits = { ...randomPlanes(shape, 1), offset: true } as const;
    expect(tMac.refuse(trits, float, auto)?.reason).toContain("have an offset");
  });

  test("float zero points on ARM, whose float16 zeros do not hold them", () => {
    const shape = { rows: 32, columns: 64, granularity: 32, bits: 4, symmetric: false } as const;
    const weight = withFloatZeroPoints(randomInt(shape, 1), 1);
    expect(tMac.refuse(weight, float, auto)).toBe(null);
    const arm = tMac.parameters.parse({ float: "float16" });
    expect(tMac.refuse(weight, float, arm)?.reason).toContain("zero points");
  });

  test("a float zero point that its product with the scale would lose", () => {
    const shape = { rows: 32, columns: 64, granularity: 32, bits: 4, symmetric: false } as const;
    const weight = randomInt(shape, 1);
    const zeroPoints = weight.scales.map(() => 2 ** -24);
    expect(() => tMac.pack({ ...weight, zeroPointDtype: "F16", zeroPoints }, auto)).toThrow(
      /lose its zero point/,
    );
  });

  test("zero points with one scale for the tensor", () => {
    const weight = { ...outline(2, 64, 64, 64), symmetric: false, scaleRows: 1 };
    expect(tMac.refuse(weight, float, auto)?.reason).toContain("zero points");
  });

  test("a chosen tile that does not divide the outputs", () => {
    expect(tMac.refuse(outline(2, 64, 64, 64), float, { ...auto, tileRows: 96 })?.reason).toContain("96");
  });

  test("a larger activation group than a chunk along K", () => {
    const chosen = { ...auto, kFactor: 8, activationGroup: 64 } as const;
    expect(tMac.refuse(outline(2, 64, 64, 64), float, chosen)?.reason).toContain("activationGroup 64");
  });

  test("packing what is refused, by an error with a way out", () => {
    const weight = randomInt({ rows: 12, columns: 64, granularity: 64, bits: 2, symmetric: true }, 1);
    expect(() => tMac.pack(weight, auto)).toThrow(LuthierError);
  });

  test("a scale of 0 that would lose its zero point, and one that is not finite", () => {
    const weight = randomInt({ rows: 16, columns: 64, granularity: 64, bits: 2, symmetric: false }, 1);
    const scales = weight.scales.with(3, 0);
    const zeroPoints = (weight.zeroPoints as Uint8Array).with(3, 1);
    expect(() => tMac.pack({ ...weight, scales, zeroPoints }, auto)).toThrow(/zero point 1/);
    expect(() => tMac.pack({ ...weight, scales: weight.scales.with(5, Number.NaN) }, auto)).toThrow(/NaN/);
  });
});

describe("auto takes the largest published tile that fits, and blocks as long as the group allows", () => {
  test.each([
    // bits, N, K, group → tileRows, kFactor, activationGroup
    [2, 4096, 4096, 128, 1024, 16, 64],
    [2, 2816, 1024, 128, 512, 16, 64], // 5,632 = 11 · 512
    [2, 768, 3072, 64, 512, 16, 64], // 1,536 = 3 · 512
    [2, 151936, 1024, 128, 256, 16, 64], // 303,872 = 1,187 · 256
    [4, 256, 2048, 32, 1024, 8, 32],
    [3, 4096, 4096, 128, 768, 16, 64], // 12,288 = 16 · 768
    [1, 3200, 8640, 64, 640, 16, 64], // BitNet-3B
    [2, 32, 64, 64, 64, 16, 64], // stories260K's key and value projections
    [3, 32, 96, 32, 96, 8, 32],
  ])("%i bits, %i × %i, groups of %i", (bits, rows, columns, group, tileRows, kFactor, activationGroup) => {
    const zeros = new Uint8Array(rows > 10_000 ? 0 : rows * columns);
    const weight = { scheme: "int", bits, symmetric: true, rows, columns, group, scaleRows: rows } as const;
    expect(tMac.refuse(weight, { scheme: "float" }, auto)).toBeNull();
    if (zeros.length === 0) return; // the largest is judged only
    const scales = new Float32Array((rows * columns) / group).fill(1);
    const { layout } = tMac.pack({ ...weight, codes: zeros, scales, zeroPoints: null }, auto);
    expect(layout).toEqual({
      bits,
      passes: 1,
      tileRows,
      kFactor,
      activationGroup,
      float: "float32",
      aggregation: "exact",
    });
  });
});

describe("a damaged pack is an error, not a wrong weight", () => {
  const trits = tMac.pack(randomPlanes({ rows: 16, columns: 64, granularity: 64, planes: 1 }, 1), auto);
  const zeros = tMac.pack(
    randomInt({ rows: 16, columns: 64, granularity: 64, bits: 2, symmetric: false }, 2),
    auto,
  );
  const reference = openKernels({ path: "reference" });
  const withTensor = (packed: PackedGrid, name: string, change: Partial<TensorBytes>): PackedGrid => ({
    ...packed,
    tensors: { ...packed.tensors, [name]: { ...packed.tensors[name], ...change } },
  });
  const withFloat = (packed: PackedGrid, at: number, value: number): PackedGrid => {
    const scales = new Float32Array(packed.tensors["pass0.scales"].bytes.slice().buffer).fill(
      value,
      at,
      at + 1,
    );
    return withTensor(packed, "pass0.scales", { bytes: new Uint8Array(scales.buffer) });
  };
  const { "pass0.scales": _, ...lacking } = trits.tensors;

  test.each<[string, PackedGrid, RegExp]>([
    ["lacks a tensor", { ...trits, tensors: lacking }, /pass0\.scales is missing/],
    ["has a short tensor", withTensor(trits, "pass0.weight", { bytes: new Uint8Array(8) }), /in 8 bytes/],
    ["has another dtype", withTensor(trits, "pass0.scales", { dtype: "I32" }), /is I32/],
    ["has another shape", withTensor(trits, "pass0.weight", { shape: [256] }), /is U8 \[256\]/],
    ["has a scale that is not finite", withFloat(trits, 2, Number.NaN), /NaN or infinity/],
    ["has a layout without a tile", { ...trits, layout: { bits: 2 } }, /layout is none of t-mac/],
    [
      "has tiles that do not fit",
      { ...trits, layout: { ...trits.layout, tileRows: 64 } },
      /no whole tiles of 64/,
    ],
    ["has another number of bits", { ...trits, layout: { ...trits.layout, bits: 3 } }, /1 passes of 3 bits/],
    ["is of a weight that does not fit", { ...trits, weight: { ...trits.weight, rows: 17 } }, /17 outputs/],
  ])("one that %s", (_, packed, message) => {
    for (const read of [() => tMac.unpack(packed), () => tMac.open(packed, reference)]) {
      expect(read).toThrow(message);
      expect(read).toThrow(LuthierError);
    }
  });

  test("one with a trit that is none", () => {
    const bytes = trits.tensors["pass0.weight"].bytes.map(() => 0);
    expect(() => tMac.unpack(withTensor(trits, "pass0.weight", { bytes }))).toThrow(/plane 0 has the code 0/);
  });

  test("one with a zero that is that of no float zero point", () => {
    const shape = { rows: 32, columns: 64, granularity: 32, bits: 4, symmetric: false } as const;
    const packed = tMac.pack(withFloatZeroPoints(randomInt(shape, 1), 1), auto);
    const scale = new Float32Array(packed.tensors["pass0.scales"].bytes.slice().buffer)[0];
    expect(() => tMac.unpack(withFloat(packed, 8, scale * (1 + 2 ** -13)))).toThrow(/of no zero point/);
  });

  test("one with a zero that is no multiple of its scale", () => {
    expect(() => tMac.unpack(withFloat(zeros, 8, 0.3))).toThrow(/no multiple of its scale/);
  });
});

/** An n-dimensional array of integers: enough of numpy for the chain below. */
class Grid {
  constructor(
    readonly shape: readonly number[],
    readonly at: (index: readonly number[]) => number,
  ) {}

  reshape(...shape: number[]): Grid {
    return new Grid(shape, (index) => {
      let flat = index.reduce((sum, i, axis) => sum * shape[axis] + i, 0);
      const own: number[] = [];
      for (let axis = this.shape.length - 1; axis >= 0; axis--) {
        own.unshift(flat % this.shape[axis]);
        flat = Math.floor(flat / this.shape[axis]);
      }
      return this.at(own);
    });
  }

  transpose(...axes: number[]): Grid {
    return new Grid(
      axes.map((axis) => this.shape[axis]),
      (index) => this.at(this.shape.map((_, axis) => index[axes.indexOf(axis)])),
    );
  }

  flat(): number[] {
    const size = this.shape.reduce((product, length) => product * length, 1);
    const line = this.reshape(size);
    return Array.from({ length: size }, (_, i) => line.at([i]));
  }
}

/** python/t_mac/weights.py, `preprocess_weights` with g = 4, simd_n_in = 16, simd_n_out = 8, on the weights' codes. */
function publishedChain(
  codes: Uint8Array,
  m: number,
  k: number,
  bits: number,
  bm: number,
  kFactor: number,
): number[] {
  const expanded = m * bits;
  const bit = new Grid([m, k, bits], ([row, column, b]) => (codes[row * k + column] >> b) & 1);
  const split = bit.transpose(0, 2, 1).reshape(m, bits, k / 4, 4);
  const summed = materialize(
    new Grid([m, bits, k / 4], ([row, b, q]) =>
      [0, 1, 2, 3].reduce((sum, g) => sum + (split.at([row, b, q, g]) << g), 0),
    ),
  );
  const interleaved = materialize(summed.reshape(m / 8, 8, bits, k / 4).transpose(0, 2, 1, 3));
  const paired = materialize(interleaved.reshape(expanded / 32, 2, 16, k / 4).transpose(0, 2, 1, 3));
  const tiled = materialize(
    paired.reshape(expanded / bm, bm / 32, 16, 2, k / 4 / kFactor, kFactor).transpose(0, 4, 1, 5, 2, 3),
  );
  const [a, b, c, d, e] = tiled.shape;
  return new Grid(
    [a, b, c, d, e],
    (index) => tiled.at([...index, 0]) + (tiled.at([...index, 1]) << 4),
  ).flat();
}

function publishedScales(
  scales: number[],
  zeros: number[],
  m: number,
  groups: number,
  bits: number,
  bm: number,
): number[] {
  const tiles = (m * bits) / bm;
  const chain = (values: number[]) =>
    materialize(
      new Grid([m * groups], ([i]) => values[i]).reshape(tiles, bm / bits, groups).transpose(0, 2, 1),
    ).reshape(tiles, groups, bm / bits / 8, 8);
  const [s, z] = [chain(scales), chain(zeros)];
  return new Grid([tiles, groups, bm / bits / 8, 2, 8], ([t, g, e, which, lane]) =>
    (which === 0 ? s : z).at([t, g, e, lane]),
  ).flat();
}

function materialize(grid: Grid): Grid {
  const values = grid.flat();
  const { shape } = grid;
  return new Grid(shape, (index) => values[index.reduce((sum, i, axis) => sum * shape[axis] + i, 0)]);
}
