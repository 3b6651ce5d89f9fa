import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import type { PackedGrid, Place } from "../../../src/targets/target.js";
import { tellme } from "../../../src/targets/tellme/tellme.js";
import type { TensorBytes } from "../../../src/tensor/tensor.js";
import { randomInput, randomPlanes, seeds } from "../random-weights.js";

const reference = openKernels({ path: "reference" });
const defaults = tellme.parameters.parse({});
const int8 = { scheme: "int8", per: "token" } as const;
const packets = { ...defaults, image: "packets" } as const;
const uram = { ...defaults, image: "uram" } as const;
const paired = { ...defaults, rotaryRows: "paired" } as const;

const ternary = (rows: number, columns: number, seed = 1) =>
  randomPlanes({ rows, columns, granularity: "tensor", planes: 1 }, seed);

const placed = (place: Partial<Place>): Place => ({
  hiddenSize: 84,
  feedForwardSize: 168,
  rotaryHeadSize: null,
  norm: null,
  ...place,
});

/** A stretch of a little-endian number. */
function bitsOf(bytes: Uint8Array, first: number, count: number): bigint {
  const all = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return (all >> BigInt(first)) & ((1n << BigInt(count)) - 1n);
}

describe("a packet", () => {
  test("holds five words of 140 bits and a norm's weight: 716 of 768 bits", () => {
    const ones = { ...ternary(5, 84), codes: new Int8Array(5 * 84).fill(1) };
    const norm = Float32Array.from({ length: 84 }, (_, k) => (k === 0 ? 1 : 0.5));
    const { shape, bytes } = tellme.pack(ones, packets, placed({ norm })).tensors["plane0.packets"];
    expect(shape.slice(1)).toEqual([3, 32]);
    const first = bytes.subarray(0, 96);
    for (let index = 0; index < 140; index++) expect(bitsOf(first, 5 * index, 5)).toBe(26n);
    expect(bitsOf(first, 700, 16)).toBe(0x3c00n);
    expect(bitsOf(first, 716, 52)).toBe(0n);
    expect(bitsOf(bytes.subarray(96, 192), 700, 16)).toBe(0x3800n);
  });

  test("follows another as words do, by slice and then by output; what is left is zero weights", () => {
    const weight = ternary(4, 100);
    const words = tellme.pack(weight, defaults).tensors["plane0.index"].bytes; // 2 slices × 4 outputs
    const { shape, bytes } = tellme.pack(weight, packets).tensors["plane0.packets"];
    expect(shape).toEqual([2, 3, 32]);
    const wordOf = (i: number) =>
      bitsOf(bytes.subarray(96 * Math.floor(i / 5), 96 * Math.floor(i / 5) + 96), 140 * (i % 5), 140);
    for (let i = 0; i < 8; i++) expect(wordOf(i)).toBe(bitsOf(words.subarray(18 * i, 18 * i + 18), 0, 140));
    const zeros = Array.from({ length: 28 }, (_, t) => 13n << BigInt(5 * t)).reduce((a, b) => a | b);
    expect([wordOf(8), wordOf(9)]).toEqual([zeros, zeros]);
  });

  test("is added where a norm has more weights than the words fill packets", () => {
    const norm = new Float32Array(100).fill(2);
    const { shape } = tellme.pack(ternary(4, 100), packets, placed({ norm })).tensors["plane0.packets"];
    expect(shape).toEqual([100, 3, 32]);
  });

  test("takes no norm beyond float16", () => {
    const norm = Float32Array.of(70_000);
    expect(() => tellme.pack(ternary(4, 84), packets, placed({ norm }))).toThrow(LuthierError);
  });
});

describe("the URAM array", () => {
  const bitnet = { hiddenSize: 1536, feedForwardSize: 4096 };

  test("of BitNet 0.73B is padded from 1,536 to 1,596 and from 4,096 to 4,116 inputs: 3 × 19 × 1,536 words", () => {
    const { layout } = tellme.pack(ternary(2, 1536), uram, placed(bitnet));
    expect(layout).toMatchObject({ arrayBlocks: 3, arraySlices: 19, arrayOutputs: 1536, banks: 8 });
    expect(Number(layout.arraySlices) * 84).toBe(1596);
    const down = tellme.pack(ternary(2, 4096), uram, placed(bitnet)).tensors["plane0.uram"];
    // 4,116 inputs are 49 words: three blocks of 19, of whose 57 the last eight stay zero weights.
    expect(down.shape).toEqual([8, 3 * 19 * (1536 / 8), 18]);
    expect(Math.ceil(4096 / 84) * 84).toBe(4116);
  });

  const small = { hiddenSize: 100, feedForwardSize: 250 }; // padded to 168 and 252
  const array = [3, 2, 100] as const; // three blocks, for 250 outputs by 100

  test.each([
    ["query", 100, 100],
    ["key with fewer heads", 20, 100],
    ["up", 250, 100],
    ["down", 100, 250],
  ])(
    "has the %s projection's words at x, y, z of the paper, columns dealt to Q / 2 banks",
    (role, rows, columns) => {
      const banks = 3;
      const weight = ternary(rows, columns, rows);
      const { layout, tensors } = tellme.pack(weight, { ...uram, columnsPerCycle: 2 * banks }, placed(small));
      expect([layout.arrayBlocks, layout.arraySlices, layout.arrayOutputs]).toEqual(array);
      const { shape, bytes } = tensors["plane0.uram"];
      const words = tellme.pack(weight, defaults).tensors["plane0.index"].bytes;
      const filled = new Set<number>();
      for (let slice = 0; slice < Math.ceil(columns / 84); slice++) {
        for (let b = 0; b < rows; b++) {
          const a = slice * 84; // the padded input
          const x = role === "up" ? Math.floor(b / 100) : role === "down" ? Math.floor(a / 168) : 0;
          const [y, z] = [(a % 168) / 84, b % 100];
          const address = (x * array[1] + y) * Math.ceil(100 / banks) + Math.floor(z / banks);
          const at = ((z % banks) * shape[1] + address) * 18;
          filled.add(at);
          const word = (slice * rows + b) * 18;
          expect([...bytes.subarray(at, at + 18)]).toEqual([...words.subarray(word, word + 18)]);
        }
      }
      expect(filled.size).toBe(Math.ceil(columns / 84) * rows);
      for (let at = 0; at < bytes.length; at += 18) if (!filled.has(at)) expect(bytes[at] & 31).toBe(13);
    },
  );

  test("has no place for the head, nor for a linear of no model", () => {
    const head = tellme.refuse(ternary(2048, 100), int8, uram, placed(small));
    expect(head?.reason).toContain(
      "need 21 blocks of the URAM array of 3 blocks of 168 inputs × 100 outputs",
    );
    const square = tellme.refuse(ternary(101, 169), int8, uram, placed(small));
    expect(square?.reason).toContain("both beyond a block");
    expect(tellme.refuse(ternary(4, 84), int8, uram)?.fix).toContain("image: words");
    expect(() => tellme.pack(ternary(4, 84), uram)).toThrow(/depends on the model/);
  });
});

describe("paired rows", () => {
  const head = placed({ rotaryHeadSize: 8 });

  test("of a head of 8 are the model's rows 0 4 1 5 2 6 3 7", () => {
    const weight = ternary(16, 84);
    const inModel = tellme.pack(weight, defaults).tensors["plane0.index"].bytes;
    const { bytes } = tellme.pack(weight, paired, head).tensors["plane0.index"];
    const rows = [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15];
    for (const [place, row] of rows.entries()) {
      expect([...bytes.subarray(18 * place, 18 * place + 18)]).toEqual([
        ...inModel.subarray(18 * row, 18 * row + 18),
      ]);
    }
  });

  test("turn the rotation of halves into one of neighbours", () => {
    const y = [3, 1, 4, 1, 5, 9, 2, 6];
    const angle = (t: number) => 0.3 * (t + 1);
    const turned = (a: number, b: number, t: number) => [
      a * Math.cos(angle(t)) - b * Math.sin(angle(t)),
      b * Math.cos(angle(t)) + a * Math.sin(angle(t)),
    ];
    const halves = [0, 1, 2, 3].map((t) => turned(y[t], y[4 + t], t));
    const inModel = [...halves.map(([a]) => a), ...halves.map(([, b]) => b)];
    const order = [0, 4, 1, 5, 2, 6, 3, 7];
    const hardware = order.map((row) => y[row]);
    const neighbours = [0, 1, 2, 3].flatMap((t) => turned(hardware[2 * t], hardware[2 * t + 1], t));
    expect(neighbours).toEqual(order.map((row) => inModel[row]));
  });

  test("are those of queries and keys alone", () => {
    const { layout } = tellme.pack(ternary(16, 84), paired, placed({ rotaryHeadSize: null }));
    expect(layout.pairedHeadSize).toBe(0);
  });

  test("must be whole heads, of a model that is known", () => {
    expect(tellme.refuse(ternary(12, 84), int8, paired, head)?.reason).toContain("no whole heads of 8");
    expect(tellme.refuse(ternary(16, 84), int8, paired)?.reason).toContain("depends on the model");
  });

  test("are traced in the hardware's order, and the output in the model's", async () => {
    const packed = tellme.pack(ternary(16, 100), paired, head);
    const input = randomInput(1, 100, 2);
    const { data } = await tellme.open(packed, reference).multiply(input);
    const signals = tellme.trace?.(packed, input.data) ?? [];
    const valuesOf = (name: string) => Array.from(signals.find((each) => each.name === name)?.values ?? []);
    expect(valuesOf("output")).toEqual([...data]);
    expect(valuesOf("plane0-dequantized").slice(0, 4)).toEqual([data[0], data[4], data[1], data[5]]);
  });
});

test("every image unpacks to what was packed, and computes the same outputs in the model's order", async () => {
  const shape = fc.record({
    heads: fc.integer({ min: 1, max: 5 }),
    headSize: fc.constantFrom(2, 6, 8),
    columns: fc.integer({ min: 1, max: 260 }),
    planes: fc.integer({ min: 1, max: 2 }),
    image: fc.constantFrom("words" as const, "packets" as const, "uram" as const),
    rotaryRows: fc.constantFrom("as-in-model" as const, "paired" as const),
    banks: fc.integer({ min: 1, max: 7 }),
    normed: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(shape, seeds, async (chosen, seed) => {
      const { heads, headSize, columns, planes, banks, normed } = chosen;
      const rows = heads * headSize;
      const weight = randomPlanes({ rows, columns, granularity: "tensor", planes }, seed);
      const place = placed({
        hiddenSize: Math.max(rows, columns),
        rotaryHeadSize: headSize,
        norm: normed ? new Float32Array(columns).fill(1) : null,
      });
      const parameters = {
        ...defaults,
        image: chosen.image,
        rotaryRows: chosen.rotaryRows,
        columnsPerCycle: 2 * banks,
      };
      const packed = tellme.pack(weight, parameters, place);
      expect(tellme.unpack(packed)).toEqual(weight);
      const input = randomInput(2, columns, seed);
      const plain = await tellme.open(tellme.pack(weight, defaults), reference).multiply(input);
      for (const kernels of [reference, openKernels({ threads: 1 })])
        expect((await tellme.open(packed, kernels).multiply(input)).data).toEqual(plain.data);
    }),
    { numRuns: 60, seed: 6 },
  );
});

describe("a damaged image is an error, not a wrong weight", () => {
  const place = placed({ hiddenSize: 100, feedForwardSize: 100, rotaryHeadSize: 4 });
  const inUram = tellme.pack(ternary(8, 100), { ...uram, rotaryRows: "paired" }, place);
  const inPackets = tellme.pack(ternary(8, 100), packets, place);
  const withTensor = (packed: PackedGrid, name: string, change: Partial<TensorBytes>): PackedGrid => ({
    ...packed,
    tensors: { ...packed.tensors, [name]: { ...packed.tensors[name], ...change } },
  });
  const ones = (packed: PackedGrid, name: string) =>
    withTensor(packed, name, { bytes: packed.tensors[name].bytes.map(() => 255) });

  test.each<[string, PackedGrid, RegExp]>([
    ["has too few packets", withTensor(inPackets, "plane0.packets", { shape: [1, 3, 32] }), /asks for/],
    ["has packets of another size", withTensor(inPackets, "plane0.packets", { shape: [4, 96] }), /asks for/],
    ["has an index above 26 in a packet", ones(inPackets, "plane0.packets"), /is 31, three trits reach 26/],
    ["has an index above 26 in the array", ones(inUram, "plane0.uram"), /is 31, three trits reach 26/],
    [
      "has another number of banks",
      { ...inUram, layout: { ...inUram.layout, banks: 5 } },
      /its layout asks for U8 \[5,/,
    ],
    ["is of a smaller array", { ...inUram, layout: { ...inUram.layout, arraySlices: 1 } }, /need 2 blocks/],
    ["names no sizes", { ...inUram, layout: { ...inPackets.layout, image: "uram" } }, /none of tellme/],
    [
      "has broken heads",
      { ...inUram, layout: { ...inUram.layout, pairedHeadSize: 6 } },
      /no whole heads of 6/,
    ],
    ["is said to be packets", { ...inUram, layout: inPackets.layout }, /plane0\.packets is missing/],
  ])("one that %s", (_, damaged, message) => {
    for (const read of [() => tellme.unpack(damaged), () => tellme.open(damaged, reference)]) {
      expect(read).toThrow(message);
      expect(read).toThrow(LuthierError);
    }
  });
});
