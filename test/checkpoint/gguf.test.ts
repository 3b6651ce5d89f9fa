import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gguf as readByHuggingFace } from "@huggingface/gguf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type GgufTensor, openGguf, writeGguf } from "../../src/checkpoint/gguf.js";
import { HeaderTooShort } from "../../src/checkpoint/gguf-cursor.js";
import { type GgufMetadata, ggmlTypes, parseHeader } from "../../src/checkpoint/gguf-header.js";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "./folder.js";

const metadata: GgufMetadata = new Map([
  ["general.architecture", { type: "string", value: "llama" }],
  ["llama.block_count", { type: "uint32", value: 4_000_000_000 }],
  ["llama.rope.freq_base", { type: "float32", value: 500000 }],
  ["some.signed", { type: "int32", value: -3 }],
  ["tokenizer.ggml.add_bos_token", { type: "bool", value: true }],
  ["tokenizer.ggml.tokens", { type: "strings", values: ["<s>", "Ġthe", "日本"] }],
  ["tokenizer.ggml.token_type", { type: "int32s", values: Int32Array.of(3, 1, 1) }],
  ["tokenizer.ggml.scores", { type: "float32s", values: Float32Array.of(0, -1, -2.5) }],
]);

function tensor(name: string, type: GgufTensor["type"], shape: readonly number[]): GgufTensor {
  const { size, bytes } = ggmlTypes[type];
  const length = (shape.reduce((product, n) => product * n, 1) / size) * bytes;
  const content = Uint8Array.from({ length }, (_, i) => (i * 7 + name.length) & 255);
  return {
    ...{ name, type, shape },
    async *chunks() {
      yield content.subarray(0, 5);
      yield content.subarray(5);
    },
  };
}

const tensors = [
  tensor("token_embd.weight", "BF16", [3, 5]),
  tensor("blk.0.attn_norm.weight", "F32", [7]),
  tensor("blk.0.ffn_up.weight", "Q4_0", [3, 64]),
  tensor("blk.0.ffn_down.weight", "TQ1_0", [2, 256]),
];

async function written(): Promise<string> {
  const file = path.join(await temporaryFolder(), "model.gguf");
  await writeGguf(file, metadata, tensors);
  return file;
}

async function contentOf({ chunks }: GgufTensor): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks()) parts.push(chunk);
  return Buffer.concat(parts);
}

test("what was written is read back", async () => {
  const file = await openGguf(await written());
  expect(file.metadata).toEqual(metadata);
  expect([...file.tensors.keys()]).toEqual(tensors.map(({ name }) => name));
  for (const each of tensors) {
    expect(file.tensors.get(each.name)).toMatchObject({ type: each.type, shape: each.shape });
    expect(Buffer.from(await file.read(each.name))).toEqual(await contentOf(each));
  }
  await file.close();
});

test("every tensor begins at a multiple of 32, and so would one after the last", async () => {
  const file = await written();
  const { tensors: placed, close } = await openGguf(file);
  for (const { begin } of placed.values()) expect(begin % 32).toBe(0);
  expect(readFileSync(file).length % 32).toBe(0);
  await close();
});

test("Hugging Face's reader finds the same metadata, types, shapes and places", async () => {
  const file = await written();
  const theirs = await readByHuggingFace(file, { allowLocalFile: true });
  const ours = await openGguf(file);
  await ours.close();
  expect(theirs.metadata).toMatchObject({
    "general.architecture": "llama",
    "llama.block_count": 4_000_000_000,
    "llama.rope.freq_base": 500000,
    "some.signed": -3,
    "tokenizer.ggml.add_bos_token": true,
    "tokenizer.ggml.tokens": ["<s>", "Ġthe", "日本"],
    "tokenizer.ggml.token_type": [3, 1, 1],
    "tokenizer.ggml.scores": [0, -1, -2.5],
  });
  const places = theirs.tensorInfos.map(({ name, dtype, shape, offset }) => ({
    ...{ name, id: dtype, begin: Number(theirs.tensorDataOffset + offset) },
    shape: shape.map(Number).reverse(),
  }));
  expect(places).toEqual(
    [...ours.tensors.values()].map(({ name, type, shape, begin }) => ({
      ...{ name, id: ggmlTypes[type].id, begin },
      shape: [...shape],
    })),
  );
});

test("the same content gives the same bytes", async () => {
  expect(readFileSync(await written())).toEqual(readFileSync(await written()));
});

test("a tensor whose bytes do not fit its shape is not written", async () => {
  const file = path.join(await temporaryFolder(), "model.gguf");
  const short = { ...tensors[0], shape: [3, 6] };
  await expect(writeGguf(file, metadata, [short])).rejects.toThrow(/came with 30 bytes/);
  await expect(openGguf(file)).rejects.toThrow(/does not exist/);
});

describe("a damaged file", () => {
  async function opened(change: (bytes: Buffer) => Buffer): Promise<unknown> {
    const file = await written();
    writeFileSync(file, change(readFileSync(file)));
    return openGguf(file).then(
      (open) => open.close(),
      (error) => error,
    );
  }

  const patched = (at: number, patch: (bytes: Buffer, at: number) => void) => (bytes: Buffer) => {
    patch(bytes, at);
    return bytes;
  };

  test.each([
    ["is of another kind", patched(0, (bytes, at) => bytes.write("GGML", at)), /does not begin with GGUF/],
    ["is of another version", patched(4, (bytes, at) => bytes.writeUInt32LE(2, at)), /version 2, known is 3/],
    [
      "declares more tensors than it has bytes for",
      patched(8, (bytes, at) => bytes.writeBigUInt64LE(2n ** 40n, at)),
      /declares 1099511627776 tensors/,
    ],
    [
      "declares a length beyond the safe integers",
      patched(16, (bytes, at) => bytes.writeBigUInt64LE(2n ** 63n, at)),
      /has the length 9223372036854775808/,
    ],
    ["ends early", (bytes: Buffer) => bytes.subarray(0, bytes.length - 32), /its tensors end at/],
    [
      "ends within its header",
      (bytes: Buffer) => bytes.subarray(0, 100),
      /ends within its header|too many for/,
    ],
    ["has bytes to spare", (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(32)]), /its tensors end at/],
  ])("that %s is refused", async (_, change, message) => {
    const error = await opened(change);
    expect(error).toBeInstanceOf(LuthierError);
    expect(String(error)).toMatch(message);
  });

  test("of whatever kind gives an error of ours or a file of the same length in tensors", async () => {
    const sound = readFileSync(await written());
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(sound.length),
        (changes, length) => {
          const bytes = Buffer.from(sound.subarray(0, Math.max(length, sound.length - 600)));
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          try {
            expect(parseHeader(bytes, bytes.length).end).toBe(bytes.length);
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        },
      ),
      { numRuns: 500, seed: 1 },
    );
  });

  test("is read no further than its header needs", () => {
    expect(() => parseHeader(Buffer.from("GGUF"), 1000)).toThrow(HeaderTooShort);
    expect(() => parseHeader(Buffer.from("GGUF"), 4)).toThrow(RangeError);
  });
});
