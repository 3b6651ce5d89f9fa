import { truncate } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { type NamedTensor, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import type { TensorSource } from "../../src/checkpoint/tensor-source.js";
import { openTensors, readMatrix, readVector } from "../../src/checkpoint/tensors.js";
import { LuthierError } from "../../src/error.js";
import type { FloatDtype } from "../../src/tensor/dtype.js";
import { widen } from "../../src/tensor/float.js";
import { temporaryFolder } from "./folder.js";
import { writeRaw } from "./raw-safetensors.js";

const kernels = {
  async widen(dtype: FloatDtype, bytes: Uint8Array) {
    const out = new Float32Array(bytes.length / (dtype === "F32" ? 4 : dtype.startsWith("F8") ? 1 : 2));
    widen(dtype, bytes, out);
    return out;
  },
};

async function sourceOf(...tensors: NamedTensor[]): Promise<TensorSource> {
  const file = path.join(await temporaryFolder(), "model.safetensors");
  await writeSafetensors(file, tensors);
  const source = await openTensors([file]);
  onTestFinished(() => source.close());
  return source;
}

function f32(name: string, shape: readonly number[], values: ArrayLike<number>): NamedTensor {
  return { name, dtype: "F32", shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

test("tensors of several files are read by name", async () => {
  const folder = await temporaryFolder();
  const files = [path.join(folder, "1"), path.join(folder, "2")];
  await writeSafetensors(files[0], [{ name: "a", dtype: "U8", shape: [2], bytes: Buffer.of(1, 2) }]);
  await writeSafetensors(files[1], [{ name: "b", dtype: "U8", shape: [3], bytes: Buffer.of(3, 4, 5) }]);
  const source = await openTensors(files);
  expect(await source.read("b")).toEqual(Uint8Array.of(3, 4, 5));
  expect(await source.read("a")).toEqual(Uint8Array.of(1, 2));
  expect(source.tensors.get("b")?.file).toBe(files[1]);
  await source.close();
  await expect(source.read("a")).rejects.toThrow();
});

test("a name in two files is refused, naming both", async () => {
  const files = [await writeRaw(one, 1), await writeRaw(one, 1)];
  await expect(openTensors(files)).rejects.toThrow(`tensor w is in two files: ${files[0]} and ${files[1]}`);
});

test("a name that is in no file is refused", async () => {
  const source = await sourceOf(f32("a", [1], [1]));
  await expect(source.read("b")).rejects.toThrow("there is no tensor b among the checkpoint's 1");
});

test("a file cut short after it was opened is an error, not a tensor of zeros", async () => {
  const file = await writeRaw({ w: { dtype: "U8", shape: [100], data_offsets: [0, 100] } }, 100);
  const source = await openTensors([file]);
  onTestFinished(() => source.close());
  await truncate(file, 100);
  await expect(source.read("w")).rejects.toThrow(`${file} ended within tensor w`);
});

test("any range of rows equals the same slice of the whole", async () => {
  const rows = 7;
  const source = await sourceOf(
    f32(
      "w",
      [rows, 3, 2],
      Array.from({ length: 42 }, (_, i) => i),
    ),
  );
  const whole = await source.read("w");
  const range = fc
    .tuple(fc.nat(rows), fc.nat(rows))
    .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
  await fc.assert(
    fc.asyncProperty(range, async ({ first, last }) => {
      expect(await source.read("w", { first, last })).toEqual(whole.slice(first * 24, last * 24));
    }),
  );
});

test.each([
  [0, 4],
  [-1, 2],
  [2, 1],
  [0.5, 1],
])("rows %d to %d of three are a RangeError", async (first, last) => {
  const source = await sourceOf(f32("w", [3, 1], [1, 2, 3]));
  await expect(source.read("w", { first, last })).rejects.toThrow(RangeError);
});

test("rows of a scalar are a RangeError", async () => {
  const source = await sourceOf(f32("w", [], [1]));
  await expect(source.read("w", { first: 0, last: 1 })).rejects.toThrow(RangeError);
});

test("a BF16 matrix is widened, whole and by rows", async () => {
  // 1, -2, 0.5, 3.140625 in bfloat16
  const bytes = Buffer.from("803f00c0003f4940", "hex");
  const source = await sourceOf({ name: "w", dtype: "BF16", shape: [2, 2], bytes });
  expect(await readMatrix(source, "w", kernels)).toEqual({
    rows: 2,
    columns: 2,
    data: Float32Array.of(1, -2, 0.5, 3.140625),
  });
  const second = await readMatrix(source, "w", kernels, { first: 1, last: 2 });
  expect(second).toEqual({ rows: 1, columns: 2, data: Float32Array.of(0.5, 3.140625) });
});

test("a vector is widened", async () => {
  const source = await sourceOf({
    name: "norm",
    dtype: "F16",
    shape: [2],
    bytes: Buffer.from("003c00c0", "hex"),
  });
  expect(await readVector(source, "norm", kernels)).toEqual(Float32Array.of(1, -2));
});

test("rank and dtype are checked, naming the tensor", async () => {
  const source = await sourceOf(f32("v", [2], [1, 2]), f32("w", [1, 2], [1, 2]), {
    name: "codes",
    dtype: "I32",
    shape: [1, 1],
    bytes: Buffer.alloc(4),
  });
  await expect(readMatrix(source, "v", kernels)).rejects.toThrow(
    "tensor v has the shape [2]; a matrix is needed",
  );
  await expect(readVector(source, "w", kernels)).rejects.toThrow(
    "tensor w has the shape [1, 2]; a vector is needed",
  );
  await expect(readMatrix(source, "codes", kernels)).rejects.toThrow("tensor codes is of dtype I32");
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  "%d in a weight is refused with its row and column, also in a range of rows",
  async (value) => {
    const source = await sourceOf(f32("w", [3, 2], [1, 2, 3, 4, 5, value]), f32("v", [2], [1, value]));
    const message = `tensor w holds ${value} at row 2, column 1`;
    await expect(readMatrix(source, "w", kernels)).rejects.toThrow(message);
    await expect(readMatrix(source, "w", kernels, { first: 1, last: 3 })).rejects.toThrow(message);
    await expect(readVector(source, "v", kernels)).rejects.toThrow(
      `tensor v holds ${value} at row 0, column 1`,
    );
    expect((await readMatrix(source, "w", kernels, { first: 0, last: 2 })).data).toEqual(
      Float32Array.of(1, 2, 3, 4),
    );
  },
);

/** An FP8 weight of ones (0x38 is 1.0 in E4M3). */
function ones(rows: number, columns: number): NamedTensor {
  return { name: "w", dtype: "F8_E4M3", shape: [rows, columns], bytes: Buffer.alloc(rows * columns, 0x38) };
}

test("an FP8 weight is multiplied by the scale of its block of 128 × 128", async () => {
  const [rows, columns] = [130, 300]; // 2 × 3 blocks, the last ones partial
  const source = await sourceOf(ones(rows, columns), f32("w_scale_inv", [2, 3], [1, 2, 3, 4, 5, 6]));
  const { data } = await readMatrix(source, "w", kernels);
  const expected = (row: number, column: number) => 1 + Math.trunc(column / 128) + (row < 128 ? 0 : 3);
  for (const [row, column] of [
    [0, 0],
    [127, 127],
    [127, 128],
    [128, 0],
    [129, 255],
    [129, 256],
    [129, 299],
  ]) {
    expect(data[row * columns + column]).toBe(expected(row, column));
  }
  expect(data.reduce((sum, value) => sum + value, 0)).toBe(128 * (128 * 3 + 44 * 3) + 2 * (128 * 9 + 44 * 6));
  const last = await readMatrix(source, "w", kernels, { first: 129, last: 130 });
  expect(last.data).toEqual(data.slice(129 * columns));
});

test("a block told by the configuration decides where sizes leave a doubt", async () => {
  const source = await sourceOf(ones(1, 192), f32("w_scale_inv", [1, 2], [1, 2]));
  const at96 = async (from: TensorSource) => (await readMatrix(from, "w", kernels)).data[96];
  expect(await at96(source)).toBe(1);
  expect(await at96({ ...source, scaleBlock: [1, 96] })).toBe(2);
});

test.each<[string, NamedTensor, number[]]>([
  ["one scale for the tensor", f32("w_scale", [], [3]), [3, 3, 3, 3]],
  ["one scale in a vector", f32("w_scale", [1], [3]), [3, 3, 3, 3]],
  ["one scale a row", f32("w_scale", [2, 1], [3, 5]), [3, 3, 5, 5]],
  [
    "scales in BF16",
    { name: "w_scale", dtype: "BF16", shape: [], bytes: Buffer.from("0040", "hex") },
    [2, 2, 2, 2],
  ],
  ["no scales", f32("other", [], [3]), [1, 1, 1, 1]],
])("an FP8 weight with %s", async (_, scales, expected) => {
  const source = await sourceOf(ones(2, 2), scales);
  expect((await readMatrix(source, "w", kernels)).data).toEqual(Float32Array.from(expected));
});

test.each<[string, NamedTensor]>([
  ["too many scales", f32("w_scale_inv", [3, 1], [1, 1, 1])],
  ["no scale at all", f32("w_scale_inv", [0, 1], [])],
  ["scales of rank 3", f32("w_scale_inv", [1, 1, 1], [1])],
  ["scales of another dtype", { name: "w_scale_inv", dtype: "U8", shape: [1, 1], bytes: Buffer.of(1) }],
])("%s are refused, naming both tensors", async (_, scales) => {
  const source = await sourceOf(ones(2, 2), scales);
  const error = await readMatrix(source, "w", kernels).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(LuthierError);
  expect(error.message).toMatch(
    /tensor w_scale_inv of dtype .* cannot be the scales of the weight w of shape \[2, 2\]/,
  );
});

test("a scale that makes a weight infinite is refused", async () => {
  const source = await sourceOf(ones(1, 1), f32("w_scale", [], [Number.POSITIVE_INFINITY]));
  await expect(readMatrix(source, "w", kernels)).rejects.toThrow(
    "tensor w holds Infinity at row 0, column 0",
  );
});

const one = { w: { dtype: "U8", shape: [1], data_offsets: [0, 1] } };
