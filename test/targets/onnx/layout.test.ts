import fc from "fast-check";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { encodeModel } from "../../../src/model/onnx.js";
import { dequantize } from "../../../src/schemes/weights.js";
import { onnx } from "../../../src/targets/onnx/onnx.js";
import { randomInput, randomInt, randomPlanes, randomSigns, seeds } from "../random-weights.js";

const defaults = onnx.parameters.parse({});
const float = { scheme: "float" } as const;

const granularities = fc.constantFrom(16, 32, 48, 96, "row" as const, "tensor" as const);

test("unpack gives back what was packed, of any bits, groups and zero points", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 7 }),
      fc.constantFrom(96, 192, 288),
      granularities,
      fc.integer({ min: 1, max: 8 }),
      fc.boolean(),
      seeds,
      (rows, columns, granularity, bits, symmetric, seed) => {
        const weight = randomInt({ rows, columns, granularity, bits, symmetric }, seed);
        expect(onnx.unpack(onnx.pack(weight, defaults))).toEqual(weight);
      },
    ),
  );
});

test("unpack gives back a plane of trits", () => {
  const weight = randomPlanes({ rows: 5, columns: 96, granularity: 32, planes: 1 }, 3);
  expect(onnx.unpack(onnx.pack(weight, defaults))).toEqual(weight);
});

test.each([
  ["1 bit", 1, 32, false],
  ["2 bits, symmetric", 2, 64, true],
  ["2 bits, zero points", 2, 32, false],
  ["3 bits, symmetric", 3, 32, true],
  ["4 bits, zero points, an odd number of blocks", 4, 32, false],
  ["5 bits, symmetric", 5, "row" as const, true],
  ["8 bits, one scale", 8, "tensor" as const, true],
  ["8 bits, zero points", 8, 16, false],
])(
  "onnxruntime's MatMulNBits computes %s as the dequantized weight",
  async (_, bits, granularity, symmetric) => {
    const weight = randomInt(
      { rows: 6, columns: granularity === 64 ? 192 : 96, granularity, bits, symmetric },
      7,
    );
    const { columns, rows } = weight;
    const { tensors, layout } = onnx.pack(weight, defaults);
    const names = Object.keys(tensors);
    const session = await InferenceSession.create(
      encodeModel({
        inputs: [
          { name: "x", shape: ["tokens", columns] },
          ...names.map((name) => ({
            name,
            shape: tensors[name].shape,
            type: tensors[name].dtype === "U8" ? ("uint8" as const) : ("float32" as const),
          })),
        ],
        outputs: [{ name: "y", shape: ["tokens", rows] }],
        nodes: [
          {
            op: "MatMulNBits",
            domain: "com.microsoft",
            inputs: ["x", ...names],
            outputs: ["y"],
            attributes: { K: columns, N: rows, bits: Number(layout.bits), block_size: Number(layout.block) },
          },
        ],
      }),
    );
    const input = randomInput(3, columns, 1);
    const feeds = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
      if (dtype === "U8") return [name, new Tensor("uint8", bytes, shape)] as const;
      return [name, new Tensor("float32", new Float32Array(bytes.slice().buffer), shape)] as const;
    });
    const { y } = await session.run({
      x: new Tensor("float32", input.data, [3, columns]),
      ...Object.fromEntries(feeds),
    });
    const { data } = dequantize(weight);
    for (let token = 0; token < 3; token++) {
      for (let row = 0; row < rows; row++) {
        let expected = 0;
        for (let k = 0; k < columns; k++)
          expected += input.data[token * columns + k] * data[row * columns + k];
        expect(Math.abs(Number(y.data[token * rows + row]) - expected)).toBeLessThan(
          1e-3 * (1 + Math.abs(expected)),
        );
      }
    }
  },
);

describe("what does not fit is refused", () => {
  test.each([
    [
      "a sum of planes",
      randomPlanes({ rows: 4, columns: 64, granularity: 32, planes: 2 }, 1),
      "one code a weight",
    ],
    [
      "sign planes",
      randomSigns({ rows: 4, columns: 64, granularity: 32, planes: 1, offset: false }, 1),
      "one code",
    ],
    [
      "groups of 24",
      randomInt({ rows: 4, columns: 96, granularity: 24, bits: 4, symmetric: true }, 1),
      "24 inputs",
    ],
  ])("%s", (_, weight, reason) => {
    expect(onnx.refuse(weight, float, defaults)?.reason).toContain(reason);
    expect(() => onnx.pack(weight, defaults)).toThrow(reason);
  });

  test("INT8 tokens", () => {
    const weight = randomInt({ rows: 4, columns: 64, granularity: 32, bits: 4, symmetric: true }, 1);
    expect(onnx.refuse(weight, { scheme: "int8", per: "token" }, defaults)?.fix).toContain("activation");
  });
});

describe("a damaged pack is refused", () => {
  const weight = randomInt({ rows: 2, columns: 64, granularity: 64, bits: 3, symmetric: false }, 5);
  const packed = onnx.pack(weight, defaults);
  const changed = (name: string, change: (bytes: Uint8Array) => void) => {
    const bytes = packed.tensors[name].bytes.slice();
    change(bytes);
    return { ...packed, tensors: { ...packed.tensors, [name]: { ...packed.tensors[name], bytes } } };
  };

  test("with a code beyond its bits", () => {
    expect(() => onnx.unpack(changed("codes", (bytes) => bytes.fill(0xff)))).toThrow(/code 0 is 15/);
  });

  test("with a scale that is no number", () => {
    expect(() => onnx.unpack(changed("scales", (bytes) => bytes.fill(0xff)))).toThrow(/scale NaN/);
  });

  test("without its zero points, or with a layout of another weight", () => {
    const { zero_points: _, ...rest } = packed.tensors;
    expect(() => onnx.unpack({ ...packed, tensors: rest })).toThrow(/zero_points is missing/);
    expect(() => onnx.unpack({ ...packed, layout: { ...packed.layout, bits: 8 } })).toThrow(
      /unlike its weight/,
    );
    expect(() => onnx.unpack({ ...packed, layout: {} })).toThrow(/none of onnx/);
  });

  test("with two scales in a group", () => {
    const many = onnx.pack(
      randomInt({ rows: 1, columns: 96, granularity: "row", bits: 4, symmetric: true }, 2),
      defaults,
    );
    const bytes = many.tensors.scales.bytes.slice();
    bytes[3] ^= 1;
    const tensors = { ...many.tensors, scales: { ...many.tensors.scales, bytes } };
    expect(() => onnx.unpack({ ...many, tensors })).toThrow(/another scale/);
  });
});
