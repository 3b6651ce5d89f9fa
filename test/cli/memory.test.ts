import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { suiteFolder } from "../pipeline/run.js";
import { luthier, start } from "./luthier.js";

const suite = suiteFolder();
const root = path.join(import.meta.dirname, "../..");
const text = path.join(suite, "text.txt");
writeFileSync(
  text,
  readFileSync(path.join(root, "calibration/the-miller-of-ashcombe.txt"), "utf8").repeat(4),
);

/** What a process takes is read from Linux's /proc. */
describe.runIf(process.platform === "linux")("--dry-run predicts the peak memory of a run", () => {
  const packed = { targets: [{ target: "t-mac" }] };
  const short = { calibration: { text, samples: 8, length: 128 } };
  test.each([
    ["weights alone, 134 MB of them", "normal", 4, { method: "rtn", bits: 4, group: 128 }, packed],
    [
      "fitted to 8,192 tokens, 29 MB",
      "small",
      4,
      { method: "gptq", bits: 4, group: 128 },
      { ...packed, calibration: { text, samples: 64, length: 128 } },
    ],
    ["a table for each row", "small", 2, { method: "squeeze", bits: 3 }, short],
    [
      "weights as pairs of a codebook",
      "small",
      1,
      { method: "co-quantization", inputs: "float", table: "none" },
      short,
    ],
    [
      "after a transform that looks at inputs",
      "small",
      2,
      { method: "rtn", bits: 8, group: "row", symmetric: true },
      { ...short, transforms: [{ transform: "smoothquant" }] },
    ],
  ] as const)(
    "within a quarter: %s",
    async (what, shape, layers, method, given) => {
      const model = path.join(suite, `model of ${what}`);
      const recipe = path.join(suite, `${what}.yaml`);
      execFileSync(process.execPath, [
        path.join(root, "bench/random-checkpoint.mjs"),
        ...[model, "--layers", String(layers), "--shape", shape, "--vocabulary", "4096"],
      ]);
      const rules = [
        { match: "lm_head", keep: "float" },
        { match: "*", quantize: method },
      ];
      writeFileSync(recipe, JSON.stringify({ version: 1, ...given, rules }));
      const { out } = await luthier("quantize", model, "--recipe", recipe, "--dry-run", "--json");
      const predicted = JSON.parse(out).prediction.memory.peakBytes;
      const measured = await peakOf([
        "quantize",
        model,
        "--recipe",
        recipe,
        "--out",
        path.join(suite, `run of ${what}`),
      ]);
      expect(measured / predicted).toBeGreaterThan(0.75);
      expect(measured / predicted).toBeLessThan(1.25);
    },
    600_000,
  );
});

test("a limit that a run cannot keep is refused with what it needs", async () => {
  const out = path.join(suite, "refused");
  const run = [path.join(root, "models/tiny"), "--recipe", "rtn-int4-g128", "--out", out];
  const { code, err } = await luthier("quantize", ...run, "--memory", "64MiB");
  expect(code).toBe(2);
  expect(err).toMatch(/--memory 64 MiB is less than the \d+ MiB that the stage 'quantize' takes/);
});

test("a size that is none is refused", async () => {
  const { code, err } = await luthier("quantize", "models/tiny", "--recipe", "binary", "--memory", "much");
  expect(code).toBe(2);
  expect(err).toMatch(/8GiB, 900MiB/);
});

/** In bytes. */
async function peakOf(args: readonly string[]): Promise<number> {
  const file = path.join(suite, "peak");
  const report = path.join(root, "scripts/report-peak-memory.mjs");
  const env = { ...process.env, NODE_OPTIONS: `--import ${report}`, LUTHIER_PEAK_FILE: file };
  const { code, err } = await start([...args, "--quiet"], { env }).finished;
  expect(code, err).toBe(0);
  return Number(readFileSync(file, "utf8"));
}
