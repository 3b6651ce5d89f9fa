// Every method at its bits on one model: perplexity of the quantized weights in float arithmetic to that of the checkpoint, stored
// bits a weight with scales, seconds, and the peak memory of its process. Prints a table in Markdown. bench/methods.yaml has the
// methods; with names only these.
//   node bench/methods.mjs <model> --calibration <text> --text <text> [--context 256] [--samples 64] [--threads 2] [name …]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    calibration: { type: "string" },
    text: { type: "string" },
    context: { type: "string", default: "256" },
    samples: { type: "string", default: "64" },
    threads: { type: "string", default: "2" },
  },
});
const [model, ...wanted] = positionals;
const methods = Object.entries(parse(readFileSync(new URL("methods.yaml", import.meta.url), "utf8")));

const folder = mkdtempSync(path.join(tmpdir(), "luthier-methods-"));
try {
  const float = perplexityOf(model);
  console.log(`float: ${float.toFixed(3)}\n`);
  console.log(
    "| method | bits a weight | perplexity | to float | seconds | peak MiB |\n|---|--:|--:|--:|--:|--:|",
  );
  for (const [name, { transforms = [], ...rule }] of methods) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const { bits, seconds, peakMemoryBytes, perplexity } = measure(rule, transforms);
    const figures = [bits.toFixed(2), perplexity.toFixed(3), (perplexity / float).toFixed(4)];
    console.log(
      `| ${name} | ${figures.join(" | ")} | ${seconds.toFixed(1)} | ${(peakMemoryBytes / 2 ** 20).toFixed(0)} |`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function measure(rule, transforms) {
  const recipe = path.join(folder, "recipe.json");
  const run = path.join(folder, "run");
  writeFileSync(
    recipe,
    JSON.stringify({
      version: 1,
      calibration: {
        text: path.resolve(values.calibration),
        samples: Number(values.samples),
        length: Number(values.context),
      },
      transforms,
      rules: [
        { match: "lm_head", keep: "float" },
        { match: "*", ...rule },
      ],
    }),
  );
  const { quantizedBitsPerWeight, stages } = luthier(
    "quantize",
    model,
    "--recipe",
    recipe,
    "--out",
    run,
    "--fresh",
  );
  return {
    bits: quantizedBitsPerWeight,
    seconds: stages.reduce((sum, stage) => sum + stage.seconds, 0),
    peakMemoryBytes: Math.max(...stages.map((stage) => stage.peakMemoryBytes)),
    perplexity: perplexityOf(run),
  };
}

function perplexityOf(subject) {
  const { text, context } = values;
  return luthier("eval", subject, "--engine", "float", "--text", text, "--context", context)[0].perplexity;
}

/** What a command prints as JSON. */
function luthier(...args) {
  const cli = new URL("../dist/cli/luthier.js", import.meta.url).pathname;
  return JSON.parse(
    execFileSync(process.execPath, [cli, ...args, "--json", "--quiet", "--threads", values.threads], {
      maxBuffer: 2 ** 26,
    }),
  );
}
