import fc from "fast-check";
import { expect, test } from "vitest";
import type { TensorSource } from "../../src/checkpoint/tensor-source.js";
import { type Dtype, dtypeBytes } from "../../src/tensor/dtype.js";
import { reorderedTensors } from "../../src/transforms/reordered-tensors.js";

interface Stored {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** Tensors of running bytes, each other than the next. */
function sourceOf(stored: Readonly<Record<string, Stored>>): TensorSource {
  const tensors = new Map(
    Object.entries(stored).map(([name, { dtype, shape }]) => {
      const bytes = shape.reduce((a, b) => a * b, dtypeBytes[dtype]);
      return [name, { dtype, shape, file: "", begin: 0, bytes }];
    }),
  );
  return {
    tensors,
    async read(name, rows) {
      const { shape, bytes } = tensors.get(name)!;
      const rowBytes = bytes / shape[0];
      const all = Uint8Array.from({ length: bytes }, (_, i) => (i * 7) & 255);
      return rows ? all.slice(rows.first * rowBytes, rows.last * rowBytes) : all;
    },
    close: async () => {},
  };
}

const permutation = (size: number) =>
  fc
    .array(fc.integer(), { minLength: size, maxLength: size })
    .map((keys) => Uint32Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b] || a - b));

const cases = fc
  .record({
    rows: fc.integer({ min: 1, max: 7 }),
    columns: fc.integer({ min: 1, max: 7 }),
    dtype: fc.constantFrom<Dtype>("F64", "F32", "BF16", "F8_E4M3"),
  })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      rowOrder: permutation(shape.rows),
      columnOrder: permutation(shape.columns),
      first: fc.integer({ min: 0, max: shape.rows }),
      last: fc.integer({ min: 0, max: shape.rows }),
    }),
  );

test("row i and column j are those of the source that the orders name, in whole reads and in parts", async () => {
  await fc.assert(
    fc.asyncProperty(
      cases,
      async ({ shape: { rows, columns, dtype }, rowOrder, columnOrder, first, last }) => {
        const source = sourceOf({ w: { dtype, shape: [rows, columns] } });
        const groups = [
          {
            name: "out",
            size: rows,
            rotatable: false,
            places: [{ tensor: "w", along: "rows", firsts: [0] }],
          },
          {
            name: "in",
            size: columns,
            rotatable: false,
            places: [{ tensor: "w", along: "columns", firsts: [0] }],
          },
        ] as const;
        const { read } = reorderedTensors(
          source,
          groups,
          new Map([
            ["out", rowOrder],
            ["in", columnOrder],
          ]),
        );
        const size = dtypeBytes[dtype];
        const plain = await source.read("w");
        const expected = [...rowOrder].map((row) =>
          [...columnOrder].flatMap((column) => {
            const at = (row * columns + column) * size;
            return [...plain.subarray(at, at + size)];
          }),
        );
        expect([...(await read("w"))]).toEqual(expected.flat());
        const range = { first: Math.min(first, last), last: Math.max(first, last) };
        expect([...(await read("w", range))]).toEqual(expected.slice(range.first, range.last).flat());
      },
    ),
  );
});

test("several runs of a tensor are put in one order each; what belongs to no group stays", async () => {
  const stored = { w: { dtype: "U8", shape: [1, 7] }, bias: { dtype: "U8", shape: [3] } } as const;
  const source = sourceOf({ ...stored, other: { dtype: "U8", shape: [2, 2] } });
  const groups = [
    {
      name: "values",
      size: 3,
      rotatable: false,
      places: [
        { tensor: "w", along: "columns", firsts: [0, 4] },
        { tensor: "bias", along: "rows", firsts: [0] },
      ],
    },
  ] as const;
  const { read } = reorderedTensors(source, groups, new Map([["values", Uint32Array.of(2, 0, 1)]]));
  expect([...(await read("w"))]).toEqual([2, 0, 1, 3, 6, 4, 5].map((at) => at * 7));
  expect([...(await read("bias"))]).toEqual([14, 0, 7]);
  expect(await read("other")).toEqual(await source.read("other"));
});
