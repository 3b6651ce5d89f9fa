import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { type KernelOptions, openKernels } from "../../src/kernels/open.js";
import { packagePath } from "../../src/package.js";
import { loadRecipe, shippedRecipeNames } from "../../src/recipe/shipped.js";
import { writeFirstBlock } from "./first-block.js";
import { bundledModel, hashesOf, quantizeBundled, suiteFolder, temporaryFolder } from "./run.js";

/**
 * `stored` recipes want a checkpoint that is quantized already: test/pipeline/stored.test.ts. Those with a calibration text
 * of the hub have tests of their own: lut-llm.test.ts, compensated.test.ts, scale-channels.test.ts, parts.test.ts beside
 * this one.
 */
const shipped = await Promise.all((await shippedRecipeNames()).map(loadRecipe));
const quantizing = shipped
  .filter(({ name, recipe }) => !name.startsWith("stored") && recipe.calibration === undefined)
  .map(({ name }) => name);

test.each(quantizing)("%s gives the same bytes twice, with one thread and with three", async (recipe) => {
  const [one, three] = await hashesBy(recipe, { threads: 1 }, { threads: 3 });
  expect(Object.keys(one).length).toBeGreaterThan(28); // linears; a pack may be one file
  expect(three).toEqual(one);
});

const block = await writeFirstBlock(path.join(suiteFolder(), "model"));

test.each(quantizing)(
  "%s gives the same bytes by the reference kernels, of the first block",
  async (recipe) => {
    const [native, reference] = await hashesBy(recipe, { model: block }, { model: block, path: "reference" });
    expect(Object.keys(native).length).toBeGreaterThan(7);
    expect(reference).toEqual(native);
  },
);

/** Of a run each. */
async function hashesBy(
  recipe: string,
  ...runs: readonly (KernelOptions & { readonly model?: string })[]
): Promise<readonly Readonly<Record<string, string>>[]> {
  const folder = temporaryFolder();
  const hashes = [];
  for (const [index, { model = bundledModel, ...choice }] of runs.entries()) {
    const out = path.join(folder, String(index));
    const { packs } = await quantizeBundled(recipe, out, { model, kernels: openKernels(choice) });
    hashes.push(hashesOf(out, packs.length > 0 ? ["quantized", "packs"] : ["quantized"]));
  }
  return hashes;
}

test("a finished linear is not computed again, a missing or damaged one is", async () => {
  const out = temporaryFolder();
  await quantizeBundled("trit-planes-g128", out);
  const before = hashesOf(out);
  const linears = path.join(out, "quantized", "linears");
  const removed = path.join(linears, "model.layers.1.mlp.up_proj.safetensors");
  const cut = path.join(linears, "model.layers.2.mlp.up_proj.safetensors");
  rmSync(removed);
  writeFileSync(cut, readFileSync(cut).subarray(0, 1000));
  const flipped = path.join(linears, "model.layers.3.mlp.up_proj.safetensors");
  const bytes = readFileSync(flipped);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(flipped, bytes);
  const computed: string[] = [];
  await quantizeBundled("trit-planes-g128", out, {
    onProgress: ({ stage, what }) => void (stage === "quantize" && what !== "" && computed.push(what)),
  });
  expect(computed).toEqual([1, 2, 3].map((block) => `model.layers.${block}.mlp.up_proj`));
  expect(hashesOf(out)).toEqual(before);
});

test("a folder that holds a run of another recipe is refused, and taken over with fresh", async () => {
  const out = temporaryFolder();
  await quantizeBundled("rtn-int2-g64", out);
  await expect(quantizeBundled("trit-planes-g128", out)).rejects.toThrow(/another recipe \(rtn-int2-g64\)/);
  await quantizeBundled("trit-planes-g128", out, { fresh: true });
  expect(Object.keys(hashesOf(out)).filter((file) => file.includes("t-mac")).length).toBe(29);
});

test("stages, inputs and versions are on record", async () => {
  const { record } = await quantizeBundled("bitnet-ternary", temporaryFolder());
  expect(record.state).toBe("done");
  expect(record.stages.map(({ name }) => name)).toEqual(["quantize", "pack tellme"]);
  expect(record.inputs.map(({ name }) => name)).toContain("model.safetensors");
  expect(record.versions.luthier).toMatch(/^\d+\.\d+\.\d+/);
  expect(record.versions.platform).toBe(`${process.platform}-${process.arch}`);
  if (existsSync(packagePath(".git"))) expect(record.versions.commit).toMatch(/^[0-9a-f]{40}(-dirty)?$/);
});

test("a run that went on from another commit names both", async () => {
  const out = temporaryFolder();
  const { record } = await quantizeBundled("rtn-int2-g64", out);
  const { commit: now, ...versions } = record.versions;
  const before = "0".repeat(40);
  writeFileSync(
    path.join(out, "run.json"),
    JSON.stringify({ ...record, versions: { ...versions, commit: before } }),
  );
  const again = async () => (await quantizeBundled("rtn-int2-g64", out)).record.versions.commit;
  const both = now === undefined ? before : `${before}, ${now}`;
  expect(await again()).toBe(both);
  expect(await again()).toBe(both);
});
