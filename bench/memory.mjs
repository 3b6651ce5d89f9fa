// Peak memory against the model's size: random checkpoints of Qwen3-4B's blocks are quantized, packed for T-MAC and scored on
// one batch, each step a process whose data segment is limited (`prlimit --data`), so that more memory than that is refused.
//   node bench/memory.mjs [--blocks 1,6,16,26,36] [--limit-mib 2048] [--threads 2] [--folder <dir>]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { packagePath } from "../dist/src/package.js";
import { wideShape, writeRandomCheckpoint } from "./random-checkpoint.mjs";

const { values } = parseArgs({
  options: {
    blocks: { type: "string", default: "1,6,16,26,36" },
    "limit-mib": { type: "string", default: "2048" },
    threads: { type: "string", default: "2" },
    folder: { type: "string", default: tmpdir() },
  },
});
const limitBytes = Number(values["limit-mib"]) * 2 ** 20;
const folder = mkdtempSync(path.join(values.folder, "luthier-memory-"));
const text = path.join(folder, "text.txt");
const recipe = path.join(folder, "recipe.yaml");
writeFileSync(
  text,
  readFileSync(packagePath("calibration/the-miller-of-ashcombe.txt"), "utf8").slice(0, 1200),
);
writeFileSync(
  recipe,
  JSON.stringify({
    version: 1,
    rules: [
      { match: "lm_head", keep: "float" },
      { match: "*", quantize: { method: "rtn", bits: 4, group: 128 } },
    ],
    targets: [{ target: "t-mac" }],
  }),
);

try {
  console.log(`every process may have ${values["limit-mib"]} MiB of data`);
  for (const blocks of values.blocks.split(",").map(Number)) {
    const model = path.join(folder, "model");
    const run = path.join(folder, "run");
    await writeRandomCheckpoint(model, blocks, 1, wideShape);
    const { peakBytes } = JSON.parse(
      luthier(["quantize", model, "--recipe", recipe, "--dry-run", "--json"]).out,
    ).prediction.memory;
    const quantized = luthier(["quantize", model, "--recipe", recipe, "--out", run, "--quiet"]);
    const scored = luthier(["eval", run, "--engine", "lut", "--text", text, "--context", "128", "--quiet"]);
    console.log(
      `${blocks} blocks, ${gigabytes(sizeOf(model))} GB of weights: quantized and packed in ${seconds(quantized)} s with ` +
        `${mebibytes(quantized.peakBytes)} MiB (predicted ${mebibytes(peakBytes)}), scored in ${seconds(scored)} s with ` +
        `${mebibytes(scored.peakBytes)} MiB; the run's folder takes ${gigabytes(sizeOf(run))} GB`,
    );
    rmSync(model, { recursive: true });
    rmSync(run, { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Runs a command under the limit. */
function luthier(args) {
  const peakFile = path.join(folder, "peak");
  const started = performance.now();
  const out = execFileSync(
    "prlimit",
    [
      `--data=${limitBytes}`,
      process.execPath,
      ...["--import", packagePath("scripts/report-peak-memory.mjs"), packagePath("dist/cli/luthier.js")],
      ...[...args, "--threads", values.threads],
    ],
    { encoding: "utf8", env: { ...process.env, LUTHIER_PEAK_FILE: peakFile }, maxBuffer: 2 ** 28 },
  );
  return { out, seconds: (performance.now() - started) / 1000, peakBytes: Number(readFileSync(peakFile)) };
}

function sizeOf(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath ?? entry.path, entry.name)).size, 0);
}

function seconds(finished) {
  return finished.seconds.toFixed(0);
}

function mebibytes(bytes) {
  return Math.round(bytes / 2 ** 20);
}

function gigabytes(bytes) {
  return (bytes / 1e9).toFixed(2);
}
