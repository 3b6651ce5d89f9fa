import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WeightOutline } from "../../../src/schemes/scheme.js";
import { vectorsOutlineOf } from "../../../src/schemes/vectors.js";
import type { NamedOutline, WrittenLinear } from "../../../src/targets/container.js";
import { lutLlmContainer } from "../../../src/targets/lut-llm/container.js";
import { lutLlm } from "../../../src/targets/lut-llm/lut-llm.js";
import { temporaryFolder } from "../../pipeline/run.js";
import { seeds } from "../random-weights.js";
import { configOf, type ModelSizes, modelOf, randomLinears, type Tabled } from "./models.js";
import { expectSameWeight } from "./schemes.js";
import { benchImages } from "./test-bench.js";

const parameters = (ports: 16 | 32) => ({ ports, fidelity: "linears" }) as const;

/** Two blocks, 8 query and 4 key-value heads of 32: 512 fused outputs in two blocks, each of two whole groups. */
const small: ModelSizes = {
  ...{ layers: 2, hidden: 128, feedForward: 192, heads: 8, keyValueHeads: 4, headSize: 32 },
  ...{ bits: 8, blocks: [2, 1, 3] },
};

const models: fc.Arbitrary<ModelSizes> = fc
  .record({
    layers: fc.constantFrom(1, 2),
    grouping: fc.constantFrom([1, 1, 128], [2, 2, 64], [4, 2, 64], [8, 4, 32], [6, 2, 32], [3, 1, 128]),
    wide: fc.constantFrom(1, 2),
    qkv: fc.integer({ min: 0, max: 2 }),
    bits: fc.constantFrom(4 as const, 8 as const),
    single: fc.constantFrom(1, 2, 4),
    gateUp: fc.constantFrom(1, 2, 4),
  })
  .map(({ layers, grouping: [heads, keyValueHeads, headSize], wide, qkv, bits, single, gateUp }) => {
    const divisors = [1, 2, 4].filter((blocks) => keyValueHeads % blocks === 0);
    return {
      ...{ layers, hidden: 128, feedForward: 64 * wide, heads, keyValueHeads, headSize, bits },
      blocks: [divisors[qkv % divisors.length], single, gateUp] as const,
    };
  })
  .filter(({ heads, keyValueHeads, headSize }) => ((heads + 2 * keyValueHeads) * headSize) % 128 === 0);

/** Why a model is refused. */
const judge = (
  config: Readonly<Record<string, unknown>>,
  quantized: readonly NamedOutline[],
  chosen = parameters(32),
) => lutLlmContainer.refuse({ config, quantized, tokenizer: null, weightedNorms: [] }, chosen);

async function write(
  folder: string,
  sizes: ModelSizes,
  linears: ReadonlyMap<string, Tabled>,
  ports: 16 | 32,
) {
  const config = configOf(sizes);
  const model = modelOf(config, linears, ports);
  expect(judge(config, model.linears)).toBe(null);
  return lutLlmContainer.write(folder, model, parameters(ports));
}

async function readAll(
  folder: string,
  written: readonly WrittenLinear[],
  linears: ReadonlyMap<string, Tabled>,
) {
  const images = await lutLlmContainer.open(folder);
  try {
    return await Promise.all(
      written.map(async ({ name, layout }) => {
        const weight: WeightOutline = vectorsOutlineOf(linears.get(name)!);
        return {
          name,
          found: lutLlm.unpack({ weight, layout, tensors: await images.read({ name, layout, weight }) }),
        };
      }),
    );
  } finally {
    await images.close();
  }
}

test("every linear that is read back is the one that was written, field by field", async () => {
  await fc.assert(
    fc.asyncProperty(models, fc.constantFrom(16 as const, 32 as const), seeds, async (sizes, ports, seed) => {
      const folder = mkdtempSync(path.join(tmpdir(), "luthier-images-"));
      const linears = randomLinears(sizes, seed);
      const { linears: written } = await write(folder, sizes, linears, ports);
      const all = await readAll(folder, written, linears);
      expect(all.map(({ name }) => name).sort()).toEqual([...linears.keys()].sort());
      for (const { name, found } of all) expectSameWeight(found, linears.get(name)!);
      rmSync(folder, { recursive: true });
    }),
    { numRuns: 12 },
  );
}, 30_000);

test("the bytes of every port are those of the authors' test bench", async () => {
  await fc.assert(
    fc.asyncProperty(models, seeds, async (sizes, seed) => {
      const folder = mkdtempSync(path.join(tmpdir(), "luthier-images-"));
      const linears = randomLinears(sizes, seed);
      await write(folder, sizes, linears, 16);
      const { tables, codebooks, scales } = benchImages(sizes, linears);
      const asked = [
        ...tables.map((bytes, port) => [`tables.${String(port).padStart(2, "0")}.bin`, bytes] as const),
        ...codebooks.map((bytes, port) => [`codebooks.${port}.bin`, bytes] as const),
        ["scales.bin", scales] as const,
      ];
      for (const [file, bytes] of asked)
        expect(readFileSync(path.join(folder, file)).equals(Uint8Array.from(bytes)), file).toBe(true);
      rmSync(folder, { recursive: true });
    }),
    { numRuns: 6 },
  );
}, 30_000);

describe("the images of a small model", () => {
  const linears = randomLinears(small, 1);
  const folders = {
    16: mkdtempSync(path.join(tmpdir(), "luthier-images-")),
    32: mkdtempSync(path.join(tmpdir(), "luthier-images-")),
  };
  let written: readonly WrittenLinear[];
  let files: readonly string[];
  beforeAll(async () => {
    await write(folders[16], small, linears, 16);
    ({ linears: written, files } = await write(folders[32], small, linears, 32));
  });
  afterAll(() => {
    for (const folder of Object.values(folders)) rmSync(folder, { recursive: true });
  });

  test("are a file a port, 32 of them halves of the beats of 16", () => {
    const names = (count: number, kind: string, digits: number) =>
      Array.from({ length: count }, (_, port) => `${kind}.${String(port).padStart(digits, "0")}.bin`);
    expect(files).toEqual([...names(32, "tables", 2), ...names(4, "codebooks", 1), "scales.bin"]);
    expect(readdirSync(folders[32]).sort()).toEqual([...files].sort());
    for (const [kind, digits, count] of [
      ["tables", 2, 16],
      ["codebooks", 1, 2],
    ] as const)
      for (const [port, name] of names(count, kind, digits).entries()) {
        const whole = readFileSync(path.join(folders[16], name));
        const [low, high] = names(2 * count, kind, digits)
          .slice(2 * port, 2 * port + 2)
          .map((half) => readFileSync(path.join(folders[32], half)));
        const rejoined = Buffer.alloc(whole.length);
        for (let beat = 0; beat < whole.length / 64; beat++) {
          low.copy(rejoined, 64 * beat, 32 * beat, 32 * beat + 32);
          high.copy(rejoined, 64 * beat + 32, 32 * beat, 32 * beat + 32);
        }
        expect(rejoined.equals(whole), name).toBe(true);
      }
  });

  test("have their bytes counted once among the linears", () => {
    const size = files.reduce((sum, file) => sum + statSync(path.join(folders[32], file)).size, 0);
    expect(written.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(size);
  });

  test("say where each linear lies", () => {
    const layout = (name: string) => written.find((linear) => linear.name === `model.layers.${name}`)?.layout;
    // A block: qkv 64 / 16 rows of 2 · 16 + 4 beats, o 128 · (16 + 1) / 16 · …
    expect(layout("0.self_attn.q_proj")).toEqual({
      ...{ ports: 32, layer: 0, projection: "qkv", beatBytes: 32 },
      ...{ projectionOutputs: 512, projectionBlocks: 2, outputsOfScale: 32 },
      ...{ firstOutput: 64, outputRun: 64, outputStride: 128 },
      ...{ firstBeat: 0, tableBeats: 32, idBeats: 4, firstCodebookBeat: 0, firstScaleWord: 0 },
    });
    expect(layout("0.mlp.gate_proj")).toEqual({
      ...{ ports: 32, layer: 0, projection: "up-gate", beatBytes: 32 },
      ...{ projectionOutputs: 384, projectionBlocks: 6, outputsOfScale: 192 },
      ...{ firstOutput: 192, outputRun: 192, outputStride: 192 },
      // qkv has 64 positions on 16 lanes, 4 rows of 36 beats; o 128 positions, 8 rows of 17 beats
      ...{ firstBeat: 4 * 36 + 8 * 17, tableBeats: 96, idBeats: 3 },
      // 64 and 128 positions, 8 a block, blocks on 2 lanes, 64 beats each
      ...{ firstCodebookBeat: (64 / 16 + 128 / 16) * 64, firstScaleWord: 16 + 1 },
    });
    expect(layout("1.self_attn.v_proj")).toMatchObject({ layer: 1, firstOutput: 0, firstScaleWord: 16 + 4 });
    expect(layout("1.self_attn.k_proj")).toMatchObject({ firstOutput: 32, outputRun: 32, outputStride: 128 });
  });

  test("are the same bytes every time, and leave none of another number of ports", async () => {
    const folder = temporaryFolder();
    await write(folder, small, linears, 32);
    for (const file of files)
      expect(
        readFileSync(path.join(folder, file)).equals(readFileSync(path.join(folders[32], file))),
        file,
      ).toBe(true);
    await write(folder, small, linears, 16);
    expect(readdirSync(folder)).toHaveLength(16 + 2 + 1);
    const again = await lutLlmContainer.open(folder);
    await again.close();
  });

  describe("when damaged are errors:", () => {
    const damaged = /does not hold together/;
    const entry = () => written.find(({ name }) => name === "model.layers.1.self_attn.k_proj")!;
    const read = async (folder: string, layout: WrittenLinear["layout"], weight: WeightOutline) => {
      const images = await lutLlmContainer.open(folder);
      try {
        return await images.read({ name: entry().name, layout, weight });
      } finally {
        await images.close();
      }
    };
    const outline = () => vectorsOutlineOf(linears.get("model.layers.1.self_attn.k_proj")!);
    const copy = (change: (folder: string) => void) => {
      const folder = temporaryFolder();
      for (const file of files)
        writeFileSync(path.join(folder, file), readFileSync(path.join(folders[32], file)));
      change(folder);
      return folder;
    };

    test("a missing file, of any port", async () => {
      for (const file of ["tables.07.bin", "codebooks.3.bin", "scales.bin"])
        await expect(
          lutLlmContainer.open(copy((folder) => rmSync(path.join(folder, file)))),
        ).rejects.toMatchObject({ message: expect.stringContaining(file) });
      await expect(lutLlmContainer.open("/nowhere")).rejects.toThrow(/cannot read/);
    });

    test("a file that is cut short", async () => {
      for (const file of files) {
        const size = statSync(path.join(folders[32], file)).size;
        const cut = copy((folder) => truncateSync(path.join(folder, file), Math.floor(size / 2) + 16));
        await expect(read(cut, entry().layout, outline()), file).rejects.toThrow(damaged);
      }
    });

    test("a layout without a key, or with any one changed", async () => {
      const { layout } = entry();
      for (const key of Object.keys(layout)) {
        const { [key]: value, ...others } = layout;
        await expect(read(folders[32], others, outline()), key).rejects.toThrow(damaged);
        const values = typeof value === "string" ? ["x"] : [-1, 0.5, value * 2 ** 40 + 2 ** 40];
        for (const changed of key === "layer" ? [-1, 0.5] : values)
          await expect(
            read(folders[32], { ...layout, [key]: changed }, outline()),
            `${key} ${changed}`,
          ).rejects.toThrow(damaged);
      }
    });

    test("a weight of other rows, blocks or scales than its place has", async () => {
      const weight = outline();
      for (const other of [
        { ...weight, rows: 96 },
        { ...weight, rows: 2 ** 33 },
        { ...weight, blocks: 4 },
        { ...weight, blocks: 1 },
        { ...weight, blocks: weight.rows },
        { ...weight, table: { bits: 8 as const, scales: 2 } },
        { ...weight, table: { bits: 4 as const, scales: 4 } },
        { ...weight, columns: 2 ** 20 },
      ])
        await expect(read(folders[32], entry().layout, other), JSON.stringify(other)).rejects.toThrow(
          damaged,
        );
      const int = {
        scheme: "int",
        bits: 4,
        symmetric: true,
        rows: 128,
        columns: 128,
        group: 32,
        scaleRows: 128,
      };
      await expect(read(folders[32], entry().layout, int as WeightOutline)).rejects.toThrow(damaged);
    });

    test("any layout of whole numbers gives an error or a weight", async () => {
      const numbers = Object.entries(entry().layout).filter(([, value]) => typeof value === "number");
      await fc.assert(
        fc.asyncProperty(
          fc.subarray(
            numbers.map(([key]) => key),
            { minLength: 1 },
          ),
          fc.array(fc.oneof(fc.nat(600), fc.nat()), { minLength: 20, maxLength: 20 }),
          async (keys, values) => {
            const changes = Object.fromEntries(keys.map((key, i) => [key, values[i]]));
            const found = await read(folders[32], { ...entry().layout, ...changes }, outline()).catch(
              (error) => {
                expect(error.message).toMatch(damaged);
                return null;
              },
            );
            if (found) lutLlm.unpack({ weight: outline(), layout: entry().layout, tensors: found });
          },
        ),
        { numRuns: 100 },
      );
    });
  });
});

describe("linears that do not share what the hardware has once are refused by name:", () => {
  const changed = (name: string, change: (weight: Tabled) => Tabled) => {
    const linears = new Map(randomLinears(small, 1));
    linears.set(name, change(linears.get(name)!));
    return linears;
  };

  test.each([
    ["model.layers.1.self_attn.k_proj", "tables at position 5", "entries"],
    ["model.layers.0.self_attn.v_proj", "centroids of their input", "codebooks"],
    ["model.layers.1.mlp.up_proj", "centroids of their input", "codebooks"],
  ])("%s with other %s", async (name, what, part) => {
    const linears = changed(name, (weight) => {
      const { entries } = weight.products;
      if (part === "codebooks") return { ...weight, inputCodebooks: weight.inputCodebooks.map((x) => x + 1) };
      return {
        ...weight,
        products: {
          ...weight.products,
          entries: entries.with(5 * 2048 + 1500, entries[5 * 2048 + 1500] ^ 1),
        },
      };
    });
    const folder = temporaryFolder();
    const failing = write(folder, small, linears, 16);
    await expect(failing).rejects.toThrow(what);
    await expect(failing).rejects.toThrow(name);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("a model is refused, with a way out,", () => {
  const config = configOf(small);
  const outlines = [...randomLinears(small, 1)].map(([name, weight]) => ({
    name,
    weight: vectorsOutlineOf(weight) as WeightOutline,
  }));
  const refuse = (linears: readonly { name: string; weight: WeightOutline }[], changes: object = {}) =>
    judge({ ...config, ...changes }, linears);
  const changing = (pattern: RegExp, change: object) =>
    outlines.map((linear) =>
      pattern.test(linear.name)
        ? { ...linear, weight: { ...linear.weight, ...change } as WeightOutline }
        : linear,
    );

  test("never when all of it fits", () => {
    expect(refuse(outlines)).toBe(null);
  });

  test("when it is of another family", () => {
    expect(refuse(outlines, { model_type: "gemma" })?.reason).toContain("gemma");
    expect(refuse(outlines, { model_type: "bitnet" })?.reason).toContain("bitnet");
    expect(refuse(outlines, { hidden_size: "big" })?.reason).toContain("hidden_size");
  });

  test("when linears of its blocks stay float", () => {
    const refused = refuse(outlines.filter(({ name }) => !/1.mlp.down|0.self_attn.o/.test(name)));
    expect(refused?.reason).toContain(
      "model.layers.0.self_attn.o_proj, model.layers.1.mlp.down_proj stay float",
    );
    expect(refused?.fix).toContain("co-quantization");
    expect(refuse([])?.reason).toContain("and 11 more stay float");
  });

  test("when its head is quantized", () => {
    const head = { name: "lm_head", weight: outlines[0].weight };
    expect(refuse([...outlines, head])).toMatchObject({
      reason: expect.stringMatching(/^lm_head are/),
      fix: "keep them float",
    });
  });

  test("when its linears have tables of different bits", () => {
    const refused = refuse(changing(/down_proj/, { table: { bits: 4, scales: 1 } }));
    expect(refused?.reason).toContain(
      "model.layers.0.mlp.down_proj, model.layers.1.mlp.down_proj have uint4 tables",
    );
    expect(refused?.fix).toContain("the same bits");
  });

  test("when q, k and v, or gate and up, have different blocks", () => {
    expect(refuse(changing(/1.self_attn.v_proj/, { blocks: 1 }))?.reason).toMatch(
      /q_proj has tables for 2 blocks.*1.self_attn.v_proj for 1/,
    );
    expect(refuse(changing(/0.mlp.gate_proj/, { blocks: 1 }))?.reason).toMatch(
      /up_proj has tables for 3 blocks.*gate_proj for 1/,
    );
  });

  test("when blocks of q, k and v are no whole groups of heads", () => {
    expect(refuse(changing(/[qkv]_proj/, { blocks: 8 }))?.reason).toContain(
      "no whole groups of 4 key-value heads",
    );
  });

  test("when scales are not one a head, or one a linear", () => {
    const scales = (count: number) => ({ table: { bits: 8, scales: count } });
    expect(refuse(changing(/1.self_attn.q_proj/, scales(1)))?.reason).toMatch(
      /1.self_attn.q_proj has 1 scales.*one a head: 8/,
    );
    expect(refuse(changing(/k_proj/, scales(8)))?.reason).toMatch(/one a head: 4/);
    expect(refuse(changing(/o_proj/, scales(2)))?.reason).toMatch(/reads one$/);
  });

  test("when its projections' outputs are no whole beats of ids", () => {
    const sizes = { ...small, hidden: 96 };
    const linears = [...randomLinears(sizes, 1)].map(([name, weight]) => ({
      name,
      weight: vectorsOutlineOf(weight) as WeightOutline,
    }));
    expect(refuse(linears, { hidden_size: 96 })?.reason).toMatch(/0.self_attn.o_proj have 96 outputs in all/);
  });

  test("not for what its linears are refused for by themselves", () => {
    expect(refuse(changing(/q_proj/, { vector: 4 }))).toBe(null);
  });
});

describe("a block of Qwen3-1.7B is packed into as many beats a port as the kernel reads:", () => {
  const qwen: ModelSizes = {
    ...{ layers: 1, hidden: 2048, feedForward: 6144, heads: 16, keyValueHeads: 8, headSize: 128 },
    ...{ bits: 8, blocks: [8, 4, 12] },
  };

  /** A weight without random numbers, which take long at this size. */
  function filled(rows: number, columns: number, blocks: number, bits: 4 | 8, scales: number): Tabled {
    const positions = columns / 2;
    return {
      ...{
        scheme: "vectors",
        rows,
        columns,
        vector: 2,
        centroids: 16,
        blocks,
        inputs: 64,
        table: { bits, scales },
      },
      ids: new Uint8Array(positions * rows).fill(5),
      codebooks: null,
      inputCodebooks: new Float32Array(positions * 128).fill(0.5),
      products: {
        entries: new Uint8Array(positions * blocks * 1024).fill(9),
        scales: new Float32Array(scales).fill(0.01),
        biases: new Float32Array(scales).fill(1),
      },
    };
  }

  test.each([
    [8, 61_440],
    [4, 36_864],
  ] as const)(
    "uint%i: %i",
    async (bits, beats) => {
      const folder = temporaryFolder();
      const shapes: [string, number, number, number, number][] = [
        ["self_attn.q_proj", 2048, 2048, 8, 16],
        ["self_attn.k_proj", 1024, 2048, 8, 8],
        ["self_attn.v_proj", 1024, 2048, 8, 8],
        ["self_attn.o_proj", 2048, 2048, 4, 1],
        ["mlp.gate_proj", 6144, 2048, 12, 1],
        ["mlp.up_proj", 6144, 2048, 12, 1],
        ["mlp.down_proj", 2048, 6144, 4, 1],
      ];
      const linears = shapes.map(([name, rows, columns, blocks, scales]) => ({
        name: `model.layers.0.${name}`,
        weight: {
          ...vectorsOutlineOf(filled(1, 2, 1, bits, 1)),
          rows,
          columns,
          blocks,
          table: { bits, scales },
        } as WeightOutline,
        pack: async () => lutLlm.pack(filled(rows, columns, blocks, bits, scales), parameters(32)),
      }));
      const config = configOf({ ...qwen, bits });
      expect(judge(config, linears)).toBe(null);
      const model = { ...modelOf(config, new Map(), 32), linears };
      const { files } = await lutLlmContainer.write(folder, model, parameters(32));
      for (const file of files) {
        const { size } = statSync(path.join(folder, file));
        // 6,144 positions in blocks of 8 on two lanes, 64 beats each; 32 heads and four linears
        if (file.startsWith("codebooks")) expect(size / 32, file).toBe((6144 / 16) * 64);
        else
          expect(file === "scales.bin" ? size / 8 : size / 32, file).toBe(file === "scales.bin" ? 36 : beats);
      }
      expect(existsSync(path.join(folder, "tables.31.bin"))).toBe(true);
    },
    60_000,
  );
});
