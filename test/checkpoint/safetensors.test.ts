import { createHash } from "node:crypto";
import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type NamedTensor, readHeader, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { LuthierError } from "../../src/error.js";
import { type Dtype, dtypeBytes } from "../../src/tensor/dtype.js";
import { temporaryFolder } from "./folder.js";
import { rawSafetensors, writeRaw } from "./raw-safetensors.js";

/** One tensor `w` of two float32 values. */
const sound = { w: { dtype: "F32", shape: [2], data_offsets: [0, 8] } };

test("a header is read with absolute offsets, in the order of the data", async () => {
  const file = await writeRaw(
    { __metadata__: { format: "pt" }, b: tensor("BF16", [2, 3], 4, 16), a: tensor("I32", [], 0, 4) },
    16,
  );
  const { tensors, metadata } = await readHeader(file);
  const dataBegin = (await readFile(file)).length - 16;
  expect([...tensors]).toEqual([
    ["a", { dtype: "I32", shape: [], file, begin: dataBegin, bytes: 4 }],
    ["b", { dtype: "BF16", shape: [2, 3], file, begin: dataBegin + 4, bytes: 12 }],
  ]);
  expect(metadata).toEqual({ format: "pt" });
});

test("empty files and empty tensors are sound", async () => {
  expect((await readHeader(await writeRaw({}, 0))).tensors.size).toBe(0);
  const { tensors } = await readHeader(await writeRaw({ ...sound, none: tensor("F32", [0, 7], 8, 8) }, 8));
  expect(tensors.get("none")?.bytes).toBe(0);
});

test.each<[string, unknown, number, RegExp]>([
  ["a header that is an array", [], 0, /is JSON, but not an object/],
  ["an unknown dtype", { w: tensor("F4", [2], 0, 8) }, 8, /tensor "w" has the dtype "F4"; known are F64/],
  ["a dtype named like a member of Object", { w: tensor("toString", [2], 0, 8) }, 8, /dtype "toString"/],
  ["a missing dtype", { w: { shape: [2], data_offsets: [0, 8] } }, 8, /has the dtype none/],
  ["a fractional shape", { w: tensor("F32", [2.5], 0, 8) }, 8, /has the shape \[2\.5\]/],
  ["a negative shape", { w: tensor("F32", [-2], 0, 8) }, 8, /has the shape \[-2\]/],
  ["an unsafe shape", { w: tensor("F32", [2 ** 53], 0, 8) }, 8, /has the shape \[9007199254740992\]/],
  ["a shape of text", { w: { ...sound.w, shape: "2" } }, 8, /has the shape "2"/],
  [
    "a product that overflows",
    { w: tensor("F32", [2 ** 40, 2 ** 40], 0, 8) },
    8,
    /more elements than can be counted/,
  ],
  ["a tensor that is no object", { w: 3 }, 8, /tensor "w" is not described by an object/],
  ["one offset", { w: { ...sound.w, data_offsets: [8] } }, 8, /has the data_offsets \[8\]/],
  ["a negative offset", { w: tensor("F32", [2], -8, 0) }, 8, /has the data_offsets \[-8,0\]/],
  ["reversed offsets", { w: tensor("F32", [2], 8, 0) }, 8, /has reversed data_offsets \[8,0\]/],
  [
    "offsets beyond the end",
    { w: tensor("F32", [3], 0, 12) },
    8,
    /ends at byte 12 of the data, but there are only 8/,
  ],
  [
    "bytes that the shape does not take",
    { w: tensor("F32", [3], 0, 8) },
    8,
    /has 8 bytes, but F32 of shape \[3\] takes 12/,
  ],
  [
    "overlapping tensors",
    { a: tensor("U8", [6], 0, 6), b: tensor("U8", [4], 4, 8) },
    8,
    /tensor "b" overlaps/,
  ],
  ["two tensors in one place", { ...sound, v: tensor("F32", [2], 0, 8) }, 8, /overlaps/],
  [
    "a hole",
    { a: tensor("U8", [2], 0, 2), b: tensor("U8", [4], 4, 8) },
    8,
    /hole of 2 bytes before tensor "b"/,
  ],
  ["a hole at the beginning", { a: tensor("U8", [4], 4, 8) }, 8, /hole of 4 bytes/],
  ["bytes that nobody names", sound, 9, /has 1 bytes after its last tensor/],
  ["metadata that is no object", { ...sound, __metadata__: "pt" }, 8, /__metadata__ that is not an object/],
  [
    "metadata that is no text",
    { ...sound, __metadata__: { n: 1 } },
    8,
    /has the value 1 for "n" in __metadata__/,
  ],
])("%s is refused, naming the file", async (_, header, dataBytes, message) => {
  const file = await writeRaw(header, dataBytes);
  await expect(readHeader(file)).rejects.toThrow(message);
  await expect(readHeader(file)).rejects.toThrow(file);
  await expect(readHeader(file)).rejects.toBeInstanceOf(LuthierError);
});

test("a tensor named twice is refused", async () => {
  const entry = JSON.stringify(sound.w);
  const file = await writeRaw(`{"w":${entry},"\\u0077":${entry}}`, 8);
  await expect(readHeader(file)).rejects.toThrow(/has the key "w" twice in its header/);
});

test.each([
  ["no bytes", Buffer.alloc(0), /has 0 bytes, too few/],
  ["seven bytes", Buffer.alloc(7), /has 7 bytes, too few/],
  ["a header longer than the file", lengthOnly(20n), /declares a header of 20 bytes but has only 8/],
  [
    "a header longer than the limit",
    lengthOnly(100_000_001n),
    /header of 100000001 bytes; the limit is 100000000/,
  ],
  ["the longest length there is", lengthOnly(2n ** 64n - 1n), /header of 18446744073709551615 bytes/],
  ["a header that is not UTF-8", rawSafetensors(Buffer.of(0x7b, 0xff, 0x7d), 0), /is not JSON/],
])("a file with %s is refused", async (_, content, message) => {
  const file = path.join(await temporaryFolder(), "f.safetensors");
  await writeFile(file, content);
  await expect(readHeader(file)).rejects.toThrow(message);
});

test("the length of a header is not believed: a sparse file of 10 GB is refused without reading it", async () => {
  const file = path.join(await temporaryFolder(), "f.safetensors");
  await writeFile(file, lengthOnly(5_000_000_000n));
  await truncate(file, 10e9);
  const before = process.memoryUsage().arrayBuffers;
  await expect(readHeader(file)).rejects.toThrow(/the limit is/);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6);
});

test("a missing file is an error that names it", async () => {
  await expect(readHeader("/nonexistent/m.safetensors")).rejects.toThrow(
    "cannot read /nonexistent/m.safetensors: it does not exist",
  );
});

test("the bundled model, written by another tool, is read", async () => {
  const { tensors } = await readHeader("models/tiny/model.safetensors");
  expect(tensors.get("model.embed_tokens.weight")).toMatchObject({
    dtype: "BF16",
    shape: [2048, 256],
    bytes: 2 ** 20,
  });
  expect(tensors.get("model.layers.0.mlp.down_proj.weight")?.shape).toEqual([256, 768]);
});

test("a file is laid out byte for byte as the format says", async () => {
  const file = path.join(await temporaryFolder(), "f.safetensors");
  const tensors: NamedTensor[] = [
    { name: "b", dtype: "U8", shape: [3], bytes: Buffer.of(7, 8, 9) },
    { name: "z", dtype: "F32", shape: [1, 1], bytes: Buffer.from(Float32Array.of(1).buffer) },
    { name: "a", dtype: "U8", shape: [1], bytes: Buffer.of(6) },
  ];
  const written = await writeSafetensors(file, tensors, { z: "last", a: "first" });
  const header =
    '{"__metadata__":{"a":"first","z":"last"},"z":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},' +
    '"a":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},"b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}}';
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8, " ");
  const expected = Buffer.concat([
    lengthOnly(BigInt(padded.length)),
    Buffer.from(padded),
    Buffer.of(0, 0, 0x80, 0x3f, 6, 7, 8, 9),
  ]);
  expect(await readFile(file)).toEqual(expected);
  expect(written).toEqual({
    bytes: expected.length,
    sha256: createHash("sha256").update(expected).digest("hex"),
  });
});

test("the order in which tensors come does not change a byte", async () => {
  const folder = await temporaryFolder();
  const tensors: NamedTensor[] = ["10", "2", "__proto__", "x"].map((name, i) => ({
    name,
    dtype: i % 2 ? "U8" : "F16",
    shape: [2],
    bytes: Buffer.alloc(i % 2 ? 2 : 4, i),
  }));
  const one = await writeSafetensors(path.join(folder, "1"), tensors, { b: "1", a: "2" });
  const two = await writeSafetensors(path.join(folder, "2"), [...tensors].reverse(), { a: "2", b: "1" });
  expect(two).toEqual(one);
  expect([...(await readHeader(path.join(folder, "1"))).tensors.keys()]).toEqual([
    "10",
    "__proto__",
    "2",
    "x",
  ]);
});

test("a tensor may come as a stream", async () => {
  const folder = await temporaryFolder();
  async function* pieces() {
    yield Buffer.of(1);
    yield Buffer.of(2, 3);
  }
  const whole = { name: "w", dtype: "U8", shape: [3], bytes: Buffer.of(1, 2, 3) } as const;
  const one = await writeSafetensors(path.join(folder, "1"), [whole]);
  expect(await writeSafetensors(path.join(folder, "2"), [{ ...whole, bytes: pieces() }])).toEqual(one);
});

test.each<[string, NamedTensor[]]>([
  ["too few bytes", [{ name: "w", dtype: "F32", shape: [2], bytes: Buffer.alloc(4) }]],
  ["too many bytes", [{ name: "w", dtype: "F32", shape: [2], bytes: Buffer.alloc(12) }]],
  ["a name twice", Array(2).fill({ name: "w", dtype: "U8", shape: [0], bytes: Buffer.alloc(0) })],
  ["the name of the metadata", [{ name: "__metadata__", dtype: "U8", shape: [0], bytes: Buffer.alloc(0) }]],
  ["a shape below zero", [{ name: "w", dtype: "U8", shape: [-1], bytes: Buffer.alloc(0) }]],
])("%s: nothing is written", async (_, tensors) => {
  const folder = await temporaryFolder();
  await expect(writeSafetensors(path.join(folder, "f"), tensors)).rejects.toThrow(RangeError);
  expect(await readdir(folder)).toEqual([]);
});

const anyTensor = fc
  .record({
    name: fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("__proto__", "constructor", "0", "1")),
    dtype: fc.constantFrom(...(Object.keys(dtypeBytes) as Dtype[])),
    shape: fc.array(fc.nat({ max: 5 }), { maxLength: 3 }),
  })
  .chain(({ name, dtype, shape }) => {
    const length = shape.reduce((product, n) => product * n, dtypeBytes[dtype]);
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes): NamedTensor => ({ name, dtype, shape, bytes }));
  })
  .filter(({ name }) => name !== "__metadata__");

const anyTensors = fc.uniqueArray(anyTensor, { selector: ({ name }) => name, maxLength: 6 });

test("what was written is read back", async () => {
  const file = path.join(await temporaryFolder(), "f.safetensors");
  const anyMetadata = fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }));
  await fc.assert(
    fc.asyncProperty(anyTensors, anyMetadata, async (tensors, metadata) => {
      const { bytes } = await writeSafetensors(file, tensors, metadata);
      const content = await readFile(file);
      const header = await readHeader(file);
      expect(content.length).toBe(bytes);
      expect({ ...header.metadata }).toEqual({ ...metadata });
      expect(header.tensors.size).toBe(tensors.length);
      for (const { name, dtype, shape, bytes } of tensors) {
        const info = header.tensors.get(name)!;
        expect(info).toMatchObject({ dtype, shape });
        expect(info.begin % dtypeBytes[dtype]).toBe(0);
        expect(content.subarray(info.begin, info.begin + info.bytes)).toEqual(
          Buffer.from(bytes as Uint8Array),
        );
      }
    }),
    { numRuns: 150 },
  );
});

/** The reader must give a header or a LuthierError; anything else fails the property. */
async function readsOrRefuses(file: string, content: Uint8Array): Promise<void> {
  await writeFile(file, content);
  const header = await readHeader(file).catch((error) => {
    if (!(error instanceof LuthierError)) throw error;
    return null;
  });
  for (const { begin, bytes } of header?.tensors.values() ?? []) {
    expect(begin + bytes).toBeLessThanOrEqual(content.length);
  }
}

test("arbitrary bytes never crash the reader", async () => {
  const file = path.join(await temporaryFolder(), "f.safetensors");
  const headerOfJson = fc.json().map((json) => rawSafetensors(Buffer.from(json), 8));
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array(), headerOfJson), (content) => readsOrRefuses(file, content)),
    { numRuns: 300 },
  );
});

test("a sound file with changed, missing or added bytes never crashes the reader", async () => {
  const file = path.join(await temporaryFolder(), "f.safetensors");
  const change = fc.record({ at: fc.nat(400), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(
      anyTensors,
      fc.array(change, { maxLength: 4 }),
      fc.integer({ min: -9, max: 9 }),
      async (tensors, changes, more) => {
        await writeSafetensors(file, tensors);
        const content = await readFile(file);
        const mutant = Buffer.concat([content, Buffer.alloc(9)]).subarray(0, content.length + more);
        for (const { at, byte } of changes) if (at < mutant.length) mutant[at] = byte;
        await readsOrRefuses(file, mutant);
      },
    ),
    { numRuns: 300 },
  );
});

function tensor(dtype: string, shape: readonly number[], begin: number, end: number) {
  return { dtype, shape, data_offsets: [begin, end] };
}

function lengthOnly(length: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(length);
  return bytes;
}
