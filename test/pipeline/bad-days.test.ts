import { cpSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { openKernels } from "../../src/kernels/open.js";
import { packRun } from "../../src/pipeline/pack.js";
import { quantize } from "../../src/pipeline/quantize.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import type { LoadedRecipe } from "../../src/recipe/shipped.js";
import { tornWays, withFullDisk, withReadErrors } from "./bad-disk.js";
import { calibratedRecipe, writeMadeUpModel } from "./made-up-model.js";
import { hashesOf, suiteFolder, temporaryFolder } from "./run.js";

const kernels = openKernels();
const suite = suiteFolder();
let model = "";
beforeAll(async () => {
  model = await writeMadeUpModel(path.join(suite, "model"));
});

/** Raw images, orders of channels and statistics are among its files. */
const coQuantization = calibratedRecipe([{ match: "*", quantize: { method: "co-quantization" } }], {
  transforms: [{ transform: "pairing" }, { transform: "fold-norms" }],
  targets: [{ target: "lut-llm", fidelity: "kernel" }],
});

/** Scales of channels, packed linears, a format for the whole model, and linears by weights alone. */
const scaled = calibratedRecipe(
  [
    { match: "*.layers.0.*", quantize: { method: "gptq", bits: 4, group: 64 } },
    { match: "*", quantize: { method: "rtn", bits: 4, group: 64 } },
  ],
  { transforms: [{ transform: "awq" }], targets: [{ target: "lut-gemm" }, { target: "onnx" }] },
);

function run(recipe: LoadedRecipe, out: string) {
  return quantize({ model, recipe, out, kernels });
}

const linear = "model.layers.0.mlp.down_proj.safetensors";

describe.each([
  [
    "co-quantization",
    coQuantization,
    ["quantized/channel-orders.safetensors", "packs/lut-llm/tables.00.bin", "packs/lut-llm/codebooks.0.bin"],
    ["statistics/checkpoint/statistics.json", `statistics/checkpoint/${linear}`],
  ],
  [
    "linears with scaled channels",
    scaled,
    [
      "run.json",
      "quantized/quantization.json",
      "quantized/kept.safetensors",
      "quantized/config.json",
      "quantized/tokenizer.json",
      `quantized/linears/${linear}`,
      `quantized/channel-scales/awq/${linear}`,
      "packs/lut-gemm/manifest.json",
      `packs/lut-gemm/linears/${linear}`,
      "packs/onnx/model.onnx",
      "packs/onnx/model.onnx.data",
    ],
    ["origin.json"],
  ],
] as const)("a finished run of %s", (name, recipe, results, besides) => {
  const whole = path.join(suite, name);
  let hashes = {};
  beforeAll(async () => {
    await run(recipe, whole);
    hashes = hashesOf(whole);
  });

  // Two ways a file: what all of them do to all files is `npm run kills`.
  const others = Object.keys(tornWays).filter((way) => way !== "ended with zeros");
  const cases = [...results, ...besides].flatMap((file, at) =>
    ["ended with zeros", others[at % others.length]].map((way) => [file, way] as const),
  );
  test.each(cases)(
    "whose %s is %s: noticed, and mended by the next run to the same bytes",
    async (file, way) => {
      const out = path.join(temporaryFolder(), "torn");
      cpSync(whole, out, { recursive: true });
      tornWays[way](path.join(out, file));
      if ((results as readonly string[]).includes(file)) expect(await isTakenForWhole(out)).toBe(false);
      await run(recipe, out);
      expect(hashesOf(out)).toEqual(hashes);
      expect(await verifyRun(out, kernels)).toMatchObject({ faults: [] });
    },
  );
});

/** Of all files of a run. */
function bytesOf(out: string): number {
  return Object.keys(hashesOf(out, ["."])).reduce(
    (sum, file) => sum + statSync(path.join(out, file)).size,
    0,
  );
}

async function isTakenForWhole(out: string): Promise<boolean> {
  return verifyRun(out, kernels).then(
    ({ faults }) => faults.length === 0,
    (error) => {
      if (error instanceof LuthierError) return false;
      throw error;
    },
  );
}

describe("weights alone", () => {
  const recipe = calibratedRecipe([{ match: "*", quantize: { method: "rtn", bits: 4, group: 64 } }], {
    targets: [{ target: "t-mac" }],
  });
  const whole = path.join(suite, "whole");
  let hashes = {};
  beforeAll(async () => {
    await run(recipe, whole);
    hashes = hashesOf(whole);
  });

  test("a scheme cut off anywhere is made again", async () => {
    const file = path.join("quantized/linears", linear);
    const bytes = readFileSync(path.join(whole, file));
    const out = path.join(temporaryFolder(), "torn");
    cpSync(whole, out, { recursive: true });
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.boolean(), async (length, zeros) => {
        const torn = Buffer.alloc(zeros ? bytes.length : length);
        bytes.copy(torn, 0, 0, length);
        if (torn.equals(bytes)) return; // its last bytes are zeros
        writeFileSync(path.join(out, file), torn);
        await run(recipe, out);
        expect(hashesOf(out)).toEqual(hashes);
      }),
      { numRuns: 10 },
    );
  });

  test("a disk that is full at any moment ends the run with clear words; with space it goes on to the same bytes", async () => {
    const full = async (freeBytes: number) => {
      const out = path.join(temporaryFolder(), "full");
      const error = await withFullDisk(freeBytes, () => run(recipe, out)).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(LuthierError);
      expect(error.message).toContain("no space left on the device");
      expect(await isTakenForWhole(out)).toBe(false);
      await run(recipe, out);
      expect(hashesOf(out)).toEqual(hashes);
    };
    const total = bytesOf(whole);
    for (const part of [0, 0.1, 0.5, 0.8, 0.99]) await full(Math.floor(part * total));
  });

  test("a shard that cannot be read is named; when it can, the run goes on to the same bytes", async () => {
    const shard = path.join(model, "model.safetensors");
    const out = path.join(temporaryFolder(), "unread");
    for (const from of [8, 500_000, 1_500_000]) {
      const error = await withReadErrors(shard, from, () => run(recipe, out)).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(LuthierError);
      expect(error.message).toBe(`cannot read ${shard}: the disk failed`);
    }
    await run(recipe, out);
    expect(hashesOf(out)).toEqual(hashes);
  });

  test("what was quantized before the disk was full is not quantized again", async () => {
    const out = path.join(temporaryFolder(), "full");
    await withFullDisk(0.5 * bytesOf(whole), () => run(recipe, out)).catch(() => {});
    const finished = Object.keys(hashesOf(out)).filter((file) => file.includes("linears/"));
    expect(finished.length).toBeGreaterThan(0);
    const again: string[] = [];
    const onProgress = ({ stage, what }: { stage: string; what: string }) => {
      if (stage === "quantize" && what !== "") again.push(`quantized/linears/${what}.safetensors`);
    };
    await quantize({ model, recipe, out, kernels, onProgress });
    for (const file of again) expect(finished).not.toContain(file);
  });

  test("a checkpoint that is written while it is read is refused, and so is the run of it and another", async () => {
    const changing = await writeMadeUpModel(path.join(temporaryFolder(), "model"));
    const shard = path.join(changing, "model.safetensors");
    const out = path.join(temporaryFolder(), "run");
    const onProgress = ({ stage, done }: { stage: string; done: number }) => {
      if (stage !== "quantize" || done !== 3) return;
      const bytes = readFileSync(shard);
      bytes[bytes.length - 3] ^= 1;
      writeFileSync(shard, bytes);
      utimesSync(shard, 1, 1);
    };
    await expect(quantize({ model: changing, recipe, out, kernels, onProgress })).rejects.toThrow(
      `${shard} was changed while it was read`,
    );
    await expect(quantize({ model: changing, recipe, out, kernels })).rejects.toThrow("another model");
  });

  test("a run whose record and its copy are both lost is refused: nobody can tell what it was made from", async () => {
    const out = path.join(temporaryFolder(), "lost");
    cpSync(whole, out, { recursive: true });
    for (const file of ["run.json", "origin.json"]) tornWays.gone(path.join(out, file));
    await expect(run(recipe, out)).rejects.toThrow("neither run.json nor origin.json");
  });

  test("a lost record does not let another recipe take the linears for its own", async () => {
    const out = path.join(temporaryFolder(), "lost");
    cpSync(whole, out, { recursive: true });
    tornWays.gone(path.join(out, "run.json"));
    const other = calibratedRecipe([
      { match: "*", quantize: { method: "gptq", bits: 4, group: 64, symmetric: false } },
    ]);
    await expect(run(other, out)).rejects.toThrow("another recipe");
  });

  test("a damaged scheme is packed for no further target", async () => {
    const out = path.join(temporaryFolder(), "damaged");
    cpSync(whole, out, { recursive: true });
    tornWays["ended with zeros"](path.join(out, "quantized/linears", linear));
    await expect(packRun({ run: out, target: { target: "t-mac" } })).rejects.toThrow(linear);
  });

  test("of a run that was stopped, verify counts the linears that are finished and names those that are not", async () => {
    const out = path.join(temporaryFolder(), "stopped");
    cpSync(whole, out, { recursive: true });
    tornWays.gone(path.join(out, "quantized/quantization.json"));
    tornWays.empty(path.join(out, "quantized/linears", linear));
    const { files, faults } = await verifyRun(out, kernels);
    expect(files).toBe(13);
    expect(faults.join("\n")).toContain("has not finished quantizing");
    expect(faults.join("\n")).toContain(linear);
  });
});
