import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../../src/kernels/open.js";
import type { ActivationScheme, WeightOutline } from "../../../src/schemes/scheme.js";
import { vectorsOutlineOf } from "../../../src/schemes/vectors.js";
import { lutLlm } from "../../../src/targets/lut-llm/lut-llm.js";
import type { PackedLinear } from "../../../src/targets/target.js";
import type { Tensors } from "../../../src/tensor/tensor.js";
import { seeds } from "../random-weights.js";
import { expectSameWeight, randomTabled, shapesUpTo } from "./schemes.js";

const kernels = openKernels({ path: "reference" });
const on = (ports: 16 | 32) => ({ ports, fidelity: "linears" }) as const;
const centroids = { scheme: "centroids", vector: 2, centroids: 64 } as const;

const shapes = shapesUpTo({ blocks: 4, blockRows: 90, rowsOfLanes: 3 });

test("unpack gives back what was packed, field by field", () => {
  fc.assert(
    fc.property(shapes, fc.constantFrom(16 as const, 32 as const), seeds, (shape, ports, seed) => {
      const weight = randomTabled(shape, seed);
      expectSameWeight(lutLlm.unpack(lutLlm.pack(weight, on(ports))), weight);
    }),
    { numRuns: 40 },
  );
});

/*
 * The authors' test bench, qwen_block/qwen_block_tb.cpp: its addresses as formulas of position, block, input centroid and
 * weight centroid.
 */
describe("bytes are where the kernel reads them:", () => {
  const sizes = { rows: 256, columns: 64, blocks: 2, scales: 2 };
  const positions = sizes.columns / 2;
  const bytesOf = (tensors: Tensors, name: string) => tensors[name].bytes;
  const port = (position: number) => `tables.${String(position % 16).padStart(2, "0")}`;

  test("position 100 is row 6 of port 4", () => {
    const weight = randomTabled({ rows: 128, columns: 256, blocks: 1, bits: 8, scales: 1 }, 1);
    weight.ids.fill(0);
    weight.products.entries.fill(0);
    weight.products.entries.fill(255, 100 * 1024, 101 * 1024);
    const { tensors } = lutLlm.pack(weight, on(16));
    for (const [name, { bytes }] of Object.entries(tensors)) {
      if (!name.startsWith("tables")) continue;
      const beats = Array.from({ length: bytes.length / 64 }, (_, beat) => bytes[beat * 64]);
      const used = beats.flatMap((byte, beat) => (byte === 255 ? beat : []));
      // 16 table beats and one id beat a row
      expect(used).toEqual(name === "tables.04" ? Array.from({ length: 16 }, (_, i) => 6 * 17 + i) : []);
    }
  });

  test("an entry of uint8", () => {
    const weight = randomTabled({ ...sizes, bits: 8 }, 2);
    const { tensors } = lutLlm.pack(weight, on(16));
    const row = 2 * 16 + 2;
    for (let p = 0; p < positions; p++)
      for (let s = 0; s < 2; s++)
        for (let a = 0; a < 64; a++)
          for (let w = 0; w < 16; w++) {
            const beat = Math.floor(p / 16) * row + Math.floor(a / 4) * 2 + s;
            const found = bytesOf(tensors, port(p))[beat * 64 + 16 * (a % 4) + w];
            if (found !== weight.products.entries[((p * 2 + s) * 64 + a) * 16 + w])
              expect.fail(`${p} ${s} ${a} ${w}`);
          }
  });

  test("an entry of uint4", () => {
    const weight = randomTabled({ ...sizes, bits: 4 }, 3);
    const { tensors } = lutLlm.pack(weight, on(16));
    const row = 2 * 8 + 2;
    for (let p = 0; p < positions; p++)
      for (let s = 0; s < 2; s++)
        for (let a = 0; a < 64; a++)
          for (let w = 0; w < 16; w++) {
            const beat = Math.floor(p / 16) * row + Math.floor(a / 8) * 2 + s;
            const byte = bytesOf(tensors, port(p))[beat * 64 + 8 * (a % 8) + Math.floor(w / 2)];
            const found = w % 2 === 0 ? byte % 16 : Math.floor(byte / 16);
            if (found !== weight.products.entries[((p * 2 + s) * 64 + a) * 16 + w])
              expect.fail(`${p} ${s} ${a} ${w}`);
          }
  });

  test("an id", () => {
    const weight = randomTabled({ ...sizes, bits: 8 }, 4);
    const { tensors } = lutLlm.pack(weight, on(16));
    for (let p = 0; p < positions; p++)
      for (let n = 0; n < 256; n++) {
        const beat = Math.floor(p / 16) * 34 + 32 + Math.floor(n / 128);
        const byte = bytesOf(tensors, port(p))[beat * 64 + Math.floor((n % 128) / 2)];
        const found = n % 2 === 0 ? byte % 16 : Math.floor(byte / 16);
        if (found !== weight.ids[p * 256 + n]) expect.fail(`${p} ${n}`);
      }
  });

  test("a centroid of the input: block 12 of eight positions is in port 0 from beat 6 · 64 on, lanes 8 and 9 its fifth", () => {
    const weight = randomTabled({ rows: 2, columns: 256, blocks: 1, bits: 8, scales: 1 }, 5);
    const { tensors } = lutLlm.pack(weight, on(16));
    const read = (name: string, beat: number, lane: number) => {
      const { buffer, byteOffset } = bytesOf(tensors, name);
      return new DataView(buffer, byteOffset).getFloat32((beat * 16 + lane) * 4, true);
    };
    for (const id of [0, 1, 40, 63]) {
      const at = (100 * 64 + id) * 2; // position 100 = 12 · 8 + 4
      expect(read("codebooks.0", 6 * 64 + id, 8)).toBe(weight.inputCodebooks[at]);
      expect(read("codebooks.0", 6 * 64 + id, 9)).toBe(weight.inputCodebooks[at + 1]);
    }
    const odd = (9 * 64 + 5) * 2; // block 1
    expect(read("codebooks.1", 5, 2)).toBe(weight.inputCodebooks[odd]);
  });

  test("a scale below its bias in a word of 64 bits", () => {
    const weight = randomTabled({ ...sizes, bits: 8 }, 6);
    const { scales } = lutLlm.pack(weight, on(32)).tensors;
    const words = new DataView(scales.bytes.buffer, scales.bytes.byteOffset);
    expect(scales.shape).toEqual([2, 8]);
    expect(words.getFloat32(8, true)).toBe(weight.products.scales[1]);
    expect(words.getFloat32(12, true)).toBe(weight.products.biases[1]);
  });

  test("32 ports have the halves of each beat of 16", () => {
    const weight = randomTabled({ ...sizes, bits: 4 }, 7);
    const [whole, halves] = [lutLlm.pack(weight, on(16)).tensors, lutLlm.pack(weight, on(32)).tensors];
    const beats = bytesOf(whole, "tables.05");
    expect(halves["tables.10"].shape).toEqual([beats.length / 64, 32]);
    for (let at = 0; at < beats.length; at++) {
      const half = halves[at % 64 < 32 ? "tables.10" : "tables.11"].bytes;
      expect(half[Math.floor(at / 64) * 32 + (at % 32)]).toBe(beats[at]);
    }
    expect(Object.keys(halves).filter((name) => name.startsWith("codebooks"))).toHaveLength(4);
    expect(bytesOf(halves, "codebooks.3").subarray(0, 32)).toEqual(
      bytesOf(whole, "codebooks.1").subarray(32, 64),
    );
  });

  test("the rest of the last id beat is 0", () => {
    const weight = randomTabled({ rows: 3, columns: 32, blocks: 1, bits: 8, scales: 1 }, 8);
    const { bytes } = lutLlm.pack(weight, on(16)).tensors["tables.00"];
    expect(bytes).toHaveLength(17 * 64);
    const [first, second, third] = weight.ids;
    expect([...bytes.subarray(16 * 64)]).toEqual([first + 16 * second, third, ...Array(62).fill(0)]);
  });
});

describe("is refused, with a way out:", () => {
  const outline = {
    ...vectorsOutlineOf(randomTabled({ rows: 4, columns: 64, blocks: 1, bits: 8, scales: 1 }, 1)),
  };
  const { table, inputs, ...plain } = outline as Required<typeof outline>;
  const refuse = (weight: WeightOutline, activation: ActivationScheme = centroids) =>
    lutLlm.refuse(weight, activation, on(32));

  test.each<[string, WeightOutline, RegExp, RegExp]>([
    [
      "codes",
      { scheme: "int", bits: 4, symmetric: true, rows: 4, columns: 64, group: 32, scaleRows: 4 },
      /weights are int/,
      /co-quantization/,
    ],
    ["no centroids of the input", plain, /no centroids of its input/, /make the table/],
    ["no table", { ...plain, inputs }, /no table/, /make the table/],
    ["vectors of 4", { ...outline, vector: 4 }, /vectors of 4, 64 centroids.*takes vectors of 2/, /defaults/],
    ["32 centroids of the input", { ...outline, inputs: 32 }, /32 centroids of the input/, /defaults/],
    ["8 centroids of weights", { ...outline, centroids: 8 }, /8 of the weights/, /defaults/],
    ["inputs that are no rows of lanes", { ...outline, columns: 48 }, /48 inputs.*multiple of 32/, /float/],
    ["sums beyond 22 bits", { ...outline, columns: 32_928 }, /more than 22 bits/, /float/],
    [
      "sums beyond 18 bits",
      { ...outline, columns: 34_976, table: { bits: 4, scales: 1 } },
      /more than 18 bits/,
      /float/,
    ],
  ])("%s", (_, weight, reason, fix) => {
    expect(refuse(weight)?.reason).toMatch(reason);
    expect(refuse(weight)?.fix).toMatch(fix);
    expect(() => lutLlm.pack(weight as never, on(32))).toThrow(reason);
  });

  test("activations of another kind", () => {
    expect(refuse(outline, { scheme: "int8", per: "token" })?.fix).toContain("drop `activation`");
    expect(refuse(outline, { scheme: "centroids", vector: 2, centroids: 16 })?.reason).toContain("of 2, 16");
  });

  test("nothing of what fits", () => {
    expect(refuse(outline)).toBe(null);
    expect(refuse(outline, { scheme: "float" })).toBe(null);
    expect(refuse({ ...outline, columns: 32_864 })).toBe(null); // 16,432 · 255 < 2^22
  });

  test("a scale that gives infinite outputs", () => {
    const weight = randomTabled({ rows: 4, columns: 64, blocks: 1, bits: 8, scales: 1 }, 1);
    weight.products.scales[0] = 3e38;
    expect(() => lutLlm.pack(weight, on(16))).toThrow(/no finite outputs/);
  });
});

describe("a damaged pack is an error:", () => {
  const packed = lutLlm.pack(
    randomTabled({ rows: 6, columns: 64, blocks: 2, bits: 4, scales: 1 }, 9),
    on(16),
  ) as PackedLinear;
  const damaged = /does not hold together/;
  const withTensors = (changes: Partial<Tensors>) =>
    ({ ...packed, tensors: { ...packed.tensors, ...changes } }) as PackedLinear;

  test("whose tensors are missing, short, or of another shape", () => {
    for (const [name, tensor] of Object.entries(packed.tensors)) {
      const { [name]: _, ...others } = packed.tensors;
      const [beats, width] = tensor.shape;
      const short = { ...tensor, bytes: tensor.bytes.subarray(1) };
      const other = { ...tensor, shape: [width, beats] };
      for (const broken of [
        { ...packed, tensors: others },
        withTensors({ [name]: short }),
        withTensors({ [name]: other }),
      ]) {
        expect(() => lutLlm.open(broken, kernels)).toThrow(damaged);
        expect(() => lutLlm.unpack(broken)).toThrow(damaged);
      }
    }
  });

  test("whose layout has other ports, or whose weight is none with a table", () => {
    for (const ports of [8, "16", -1]) {
      expect(() => lutLlm.open({ ...packed, layout: { ports } }, kernels)).toThrow(damaged);
    }
    const { table: _, ...weight } = packed.weight as Required<ReturnType<typeof vectorsOutlineOf>>;
    expect(() => lutLlm.open({ ...packed, weight }, kernels)).toThrow(damaged);
  });

  test("whose numbers are not finite, or whose ids go on beyond its outputs", () => {
    const changed = (name: string, at: number, values: readonly number[]) => {
      const bytes = packed.tensors[name].bytes.slice();
      bytes.set(values, at);
      return withTensors({ [name]: { ...packed.tensors[name], bytes } });
    };
    const nan = [0, 0, 0xc0, 0x7f];
    for (const broken of [
      changed("codebooks.1", 0, nan),
      changed("scales", 0, nan),
      changed("scales", 4, nan),
      changed("tables.03", 17 * 64 - 64 + 10, [1]),
    ]) {
      expect(() => lutLlm.open(broken, kernels)).toThrow(damaged);
    }
  });

  test("whatever else its bytes are, they are a weight", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 17 * 64 * 2, maxLength: 17 * 64 * 2 }), (noise) => {
        const bytes = noise.slice();
        for (let row = 0; row < 2; row++) bytes.fill(0, row * 17 * 64 + 16 * 64 + 3, (row + 1) * 17 * 64);
        const { shape } = packed.tensors["tables.07"];
        const broken = withTensors({ "tables.07": { dtype: "U8", shape, bytes } });
        expect(lutLlm.pack(lutLlm.unpack(broken), on(16)).tensors["tables.07"].bytes).toEqual(bytes);
      }),
      { numRuns: 20 },
    );
  });
});
