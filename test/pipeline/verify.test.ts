import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { readManifest } from "../../src/pipeline/pack-files.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { quantizeBundled, temporaryFolder } from "./run.js";

const kernels = openKernels();

async function finishedRun(recipe = "trit-planes-g128"): Promise<string> {
  const out = temporaryFolder();
  await quantizeBundled(recipe, out);
  return out;
}

function flipByte(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at < 0 ? bytes.length + at : at] ^= 1;
  writeFileSync(file, bytes);
}

test.each([
  ["trit-planes-g128", 60],
  ["rtn-int4-g128", 60],
  ["bitnet-ternary", 60],
  ["bcq-3bit-g128", 60],
  ["hqq-int4-g64", 60],
  ["gguf-q4_0", 33], // the pack is one file
  ["gguf-tq2_0", 33],
])("a run of %s verifies", async (recipe, files) => {
  const found = await verifyRun(await finishedRun(recipe), kernels);
  expect(found).toMatchObject({ files, packedLinears: 28, faults: [] });
});

describe("is noticed, with the file's name:", () => {
  const packed = "packs/t-mac/linears/model.layers.0.mlp.down_proj.safetensors";
  const scheme = "quantized/linears/model.layers.3.self_attn.q_proj.safetensors";

  test("one flipped byte in a pack", async () => {
    const run = await finishedRun();
    flipByte(path.join(run, packed), -1);
    const { faults } = await verifyRun(run, kernels);
    expect(faults.join("\n")).toContain(packed);
    expect(faults.join("\n")).toContain("sha256");
    expect(faults.join("\n")).toMatch(/unpacked (codes|scales) differ/);
  });

  test("one flipped byte in a scheme", async () => {
    const run = await finishedRun();
    flipByte(path.join(run, scheme), -1);
    expect((await verifyRun(run, kernels)).faults.join("\n")).toContain(scheme);
  });

  test("a flipped byte in a header", async () => {
    const run = await finishedRun();
    flipByte(path.join(run, packed), 9);
    expect((await verifyRun(run, kernels)).faults.join("\n")).toContain(packed);
  });

  test("a changed letter in an index that nothing else depends on", async () => {
    const run = await finishedRun();
    const changes = [
      ["packs/t-mac/manifest.json", '"recipe": "', '"recipe": "0'],
      ["quantized/quantization.json", '"relativeError": 0', '"relativeError": 1'],
    ];
    for (const [index, before, after] of changes) {
      const file = path.join(run, index);
      writeFileSync(file, readFileSync(file, "utf8").replace(before, after));
      expect((await verifyRun(run, kernels)).faults.join("\n")).toContain(index);
    }
  });

  test("a manifest that is no JSON any more", async () => {
    const run = await finishedRun();
    flipByte(path.join(run, "packs/t-mac/manifest.json"), 0);
    expect((await verifyRun(run, kernels)).faults.join("\n")).toContain("manifest.json is damaged");
  });

  test("a file that is gone", async () => {
    const run = await finishedRun();
    rmSync(path.join(run, packed));
    expect((await verifyRun(run, kernels)).faults.join("\n")).toContain(packed);
  });

  test("a short file", async () => {
    const run = await finishedRun();
    const file = path.join(run, "quantized/kept.safetensors");
    writeFileSync(file, readFileSync(file).subarray(0, -1));
    expect((await verifyRun(run, kernels)).faults.join("\n")).toContain("kept.safetensors");
  });
});

test("a file of a pack that is a link out of the run is refused, not read", async () => {
  const run = await finishedRun();
  const file = "linears/model.layers.0.mlp.down_proj.safetensors";
  const pack = path.join(run, "packs/t-mac");
  const elsewhere = path.join(temporaryFolder(), "elsewhere");
  writeFileSync(elsewhere, "not for this run");
  rmSync(path.join(pack, file));
  symlinkSync(elsewhere, path.join(pack, file));
  await expect(readManifest(pack)).rejects.toThrow(`names a file outside its folder: ${file}`);
});
