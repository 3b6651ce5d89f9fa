import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { type VectorsOptions, writeVectors } from "../../src/pipeline/vectors.js";
import { hashesOf, quantizeBundled, suiteFolder, temporaryFolder } from "./run.js";

const linear = "model.layers.0.self_attn.k_proj"; // 128 × 256

const write = (run: string, out: string, options: Partial<VectorsOptions> = {}) =>
  writeVectors({
    ...{ run, out, target: "tellme", linears: [linear], encodings: ["mem", "bin", "npy", "h"] },
    ...{ text: { text: packagePath("calibration/the-miller-of-ashcombe.txt") }, activations: 2, seed: 0 },
    kernels: openKernels(),
    ...options,
  });

describe("vectors of a ternary linear", () => {
  let run = "";
  beforeAll(async () => {
    run = suiteFolder();
    await quantizeBundled("bitnet-ternary", run);
  });

  test("the accumulators are the trits times the codes, summed", async () => {
    const out = temporaryFolder();
    const { linears } = await write(run, out);
    for (const { name } of linears[0].cases) {
      const read = (signal: string) => readFileSync(path.join(out, linear, name, `${signal}.bin`));
      const codes = new Int8Array(read("token-codes"));
      const sums = new Int32Array(new Uint8Array(read("plane0-accumulators")).buffer);
      const words = readFileSync(path.join(out, linear, "memories", "plane0.index.bin"));
      for (const row of [0, 77, 127]) {
        let expected = 0;
        for (let k = 0; k < 256; k++) expected += tritAt(words, row, k) * codes[k];
        expect(sums[row]).toBe(expected);
      }
    }
  });

  test("the same run, text and seed give the same bytes, another seed another random case", async () => {
    const [first, second, third] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
    await write(run, first);
    await write(run, second, { kernels: openKernels({ path: "reference" }) });
    await write(run, third, { seed: 1 });
    expect(hashesOf(second, ["."])).toEqual(hashesOf(first, ["."]));
    const [before, after] = [hashesOf(first, ["."]), hashesOf(third, ["."])];
    const changed = Object.keys(before).filter((file) => before[file] !== after[file]);
    expect(changed.filter((file) => file.endsWith(".mem")).every((file) => file.includes("/random/"))).toBe(
      true,
    );
    expect(changed).toContain(`${linear}/random/input.mem`);
  });

  test("every file is in the manifest with its sha256, and nothing else is there", async () => {
    const out = temporaryFolder();
    const { linears } = await write(run, out);
    const files = linears.flatMap(({ memories, cases }) =>
      [...memories, ...cases.flatMap(({ signals }) => signals)].flatMap((signal) => signal.files),
    );
    const found = hashesOf(out, ["."]);
    for (const { file, sha256 } of files) expect(found[file]).toBe(sha256);
    expect(Object.keys(found).length).toBe(files.length + 2); // and README.md, manifest.json
  });

  test("an index word is a line of its memory", async () => {
    const out = temporaryFolder();
    await write(run, out, { encodings: ["mem"] });
    const lines = readFileSync(path.join(out, linear, "memories", "plane0.index.mem"), "utf8")
      .trimEnd()
      .split("\n");
    expect(lines.length).toBe(1 + 4 * 128); // ⌈256 / 84⌉ words for each of 128 outputs
    expect(lines[1]).toMatch(/^[0-9a-f]{36}$/); // 144 bits
  });

  test("earlier vectors are replaced, other files are not touched", async () => {
    const out = temporaryFolder();
    await write(run, out);
    await write(run, out, { encodings: ["mem"] });
    expect(readdirSync(path.join(out, linear, "zero")).every((file) => file.endsWith(".mem"))).toBe(true);
    const other = temporaryFolder();
    mkdirSync(path.join(other, "kept"));
    writeFileSync(path.join(other, "kept", "a.txt"), "a");
    await expect(write(run, other)).rejects.toThrow(/holds other files/);
    expect(readdirSync(other)).toEqual(["kept"]);
  });

  test("a pattern that matches nothing says what linears are called", async () => {
    await expect(write(run, temporaryFolder(), { linears: ["*.nothing"] })).rejects.toMatchObject({
      usage: true,
      fix: expect.stringContaining("model.layers.0"),
    });
  });
});

/** The trit of output `row` and input `k`, from the drawing of src/targets/tellme/README.md. */
function tritAt(words: Uint8Array, row: number, k: number): number {
  const index = Math.floor(k / 3);
  const word = BigInt(Math.floor(index / 28) * 128 + row) * 18n;
  let value = 0n;
  for (let byte = 17n; byte >= 0n; byte--) value = (value << 8n) | BigInt(words[Number(word + byte)]);
  const code = Number((value >> BigInt((index % 28) * 5)) & 31n);
  return (Math.floor(code / 3 ** (k % 3)) % 3) - 1;
}
