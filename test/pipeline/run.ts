import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, onTestFinished } from "vitest";
import { openKernels } from "../../src/kernels/open.js";
import type { ModelDescription } from "../../src/model/architecture.js";
import { calibrationText } from "../../src/pipeline/calibration-text.js";
import { type QuantizeOptions, quantize } from "../../src/pipeline/quantize.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { type LoadedRecipe, loadRecipe } from "../../src/recipe/shipped.js";

export const bundledModel = path.join(import.meta.dirname, "../../models/tiny");

/** A folder that is deleted when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "luthier-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder that is deleted when the tests of the suite have ended. */
export function suiteFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "luthier-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs a shipped recipe on the bundled model. */
export async function quantizeBundled(recipe: string, out: string, options: Partial<QuantizeOptions> = {}) {
  return quantize({
    model: bundledModel,
    recipe: await loadRecipe(recipe),
    out,
    kernels: openKernels(),
    ...options,
  });
}

/** A recipe of these rules and targets. */
export function recipeOf(rules: readonly object[], targets: readonly object[] = []): LoadedRecipe {
  const text = JSON.stringify({ version: 1, rules, targets });
  return { name: "recipe of a test", file: "test.yaml", text, recipe: parseRecipe(text, "test.yaml") };
}

/** The windows of the calibration text that a recipe asks for. */
export async function windowsOf(
  { recipe: { calibration }, file }: LoadedRecipe,
  directory: string,
  description: Pick<ModelDescription, "contextLength">,
): Promise<readonly Int32Array[]> {
  if (calibration === undefined) throw new RangeError("the recipe has no calibration");
  const folder = path.dirname(file);
  return (await calibrationText({ calibration, folder, directory, description })).windows;
}

/** sha256 of every file under a run's `quantized/` and, where it has any, `packs/`, by relative path. */
export function hashesOf(run: string, folders = ["quantized", "packs"]): Record<string, string> {
  const there = folders.filter((folder) => existsSync(path.join(run, folder)));
  const files = there.flatMap((folder) =>
    readdirSync(path.join(run, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name)),
  );
  const hash = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
  return Object.fromEntries(files.sort().map((file) => [path.relative(run, file), hash(file)]));
}
