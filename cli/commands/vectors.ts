import path from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { packagePath } from "../../src/package.js";
import { type Vectors, writeVectors } from "../../src/pipeline/vectors.js";
import { bytesText } from "../../src/report/text.js";
import { type SignalEncoding, signalEncodings } from "../../src/targets/signal-files.js";
import { type CommonOptions, openTools, wholeNumber, withCommonOptions } from "../options.js";
import { printResult, table } from "../output.js";

interface Options extends CommonOptions {
  readonly target: string;
  readonly linears: readonly string[];
  readonly formats: readonly SignalEncoding[];
  readonly text: string;
  readonly activations: number;
  readonly seed: number;
  readonly out?: string;
}

export function vectorsCommand(): Command {
  return withCommonOptions(new Command("vectors"))
    .description("write test vectors of a pack for an RTL or HLS test bench: memories, signals, outputs")
    .argument("<run>", "a run's folder")
    .requiredOption("--target <name>", "which pack")
    .option("--linears <patterns>", "names or patterns, with commas between", list, ["*.layers.0.*"])
    .option("--formats <list>", `of ${signalEncodings.join(", ")}`, formats, [...signalEncodings])
    .option(
      "--text <file>",
      "what the model reads to get real activations",
      packagePath("calibration/the-miller-of-ashcombe.txt"),
    )
    .option("--activations <count>", "real activations a linear", wholeNumber, 2)
    .option("--seed <number>", "of the random case", seed, 0)
    .option("--out <dir>", "where they go; made anew (default: <run>/vectors/<target>)")
    .addHelpText("after", examples)
    .action(async (run: string, options: Options) => {
      const { kernels, onProgress } = openTools(options);
      const { target, linears, formats: encodings, text, activations, seed } = options;
      const out = options.out ?? path.join(run, "vectors", target);
      const vectors = await writeVectors({
        ...{ run, target, out, linears, encodings, text: { text }, activations, seed },
        ...{ kernels, onProgress },
      });
      printResult(options.json ?? false, vectors, () => summary(vectors, out));
    });
}

const examples = `
Examples:
  luthier vectors runs/tiny --target t-mac
  luthier vectors runs/tiny --target tellme --linears '*.layers.1.self_attn.q_proj' --formats mem,npy --out vectors`;

function list(text: string): string[] {
  return text.split(",");
}

function formats(text: string): SignalEncoding[] {
  return list(text).map((name) => {
    const found = signalEncodings.find((encoding) => encoding === name);
    if (found === undefined) throw new InvalidArgumentError(`choose from ${signalEncodings.join(", ")}.`);
    return found;
  });
}

function seed(text: string): number {
  return text === "0" ? 0 : wholeNumber(text);
}

function summary({ linears }: Vectors, out: string): string {
  const rows = linears.map(({ name, weight, memories, cases }) => {
    const files = [...memories, ...cases.flatMap(({ signals }) => signals)].flatMap((signal) => signal.files);
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const signals = cases[0].signals.length;
    return [
      name,
      `${weight.rows} × ${weight.columns}`,
      cases.length,
      signals,
      files.length,
      bytesText(bytes),
    ];
  });
  const head = ["linear", "outputs × inputs", "cases", "signals", "files", "bytes"];
  return `${table(head, rows)}\n\n${path.join(out, "README.md")} says how a test bench uses them`;
}
