import { Command, InvalidArgumentError } from "commander";
import { type BenchResult, bench } from "../../src/pipeline/bench.js";
import { findTarget, targets } from "../../src/targets/registry.js";
import { type CommonOptions, openTools, wholeNumber, withCommonOptions } from "../options.js";
import { printResult, table } from "../output.js";

interface Options extends CommonOptions {
  readonly shapes: readonly (readonly [number, number])[];
  readonly tokens: readonly number[];
}

export function benchCommand(): Command {
  return withCommonOptions(new Command("bench"))
    .description("time the engine on this machine, against its memory and its dot-product instruction")
    .argument("[target...]", "targets (`luthier targets`); all that the engine computes by default")
    .option("--shapes <list>", "outputs × inputs, with commas between", shapes, [
      [4096, 4096],
      [6144, 2048],
    ] as const)
    .option("--tokens <list>", "tokens of a product, with commas between", wholeNumbers, [1, 128])
    .addHelpText("after", examples)
    .action(async (names: readonly string[], options: Options) => {
      const { kernels, onProgress } = openTools(options);
      const chosen = names.length > 0 ? names.map(findTarget) : targets;
      const { shapes, tokens } = options;
      const result = await bench({ targets: chosen, shapes, tokens, kernels, onProgress });
      printResult(options.json ?? false, result, () => text(result));
    });
}

const examples = `
Each target is timed with the rule that it is typically used with (\`luthier targets\`), on random weights. One token's
weights rotate through more memory than the caches hold, as when a model decodes.

Examples:
  luthier bench
  luthier bench t-mac --shapes 4096x4096,11008x4096 --tokens 1,8,128 --threads 1`;

function shapes(text: string): [number, number][] {
  return text.split(",").map((shape) => {
    const sizes = shape.split(/[x×]/).map(wholeNumber);
    if (sizes.length !== 2) throw new InvalidArgumentError("a shape is outputs x inputs, as 4096x4096.");
    return [sizes[0], sizes[1]];
  });
}

function wholeNumbers(text: string): number[] {
  return text.split(",").map(wholeNumber);
}

function text({ path, threads, limits, rows }: BenchResult): string {
  const machine = limits
    ? `memory reads ${(limits.readBytesPerSecond / 1e9).toFixed(1)} GB/s, INT8 dot products ${(limits.dotProductsPerSecond / 1e9).toFixed(0)} GMAC/s`
    : "the reference is a specification, not meant to be fast: no limits measured";
  const share = (value: number | null) => (value === null ? "" : `${(100 * value).toFixed(0)} %`);
  return [
    `kernels ${path}, ${threads} threads; ${machine}\n`,
    table(
      [
        "target",
        "rule",
        "outputs × inputs",
        "tokens",
        "ms",
        "GMAC/s",
        "weights GB/s",
        "of memory",
        "of dot products",
      ],
      rows.map((row) => [
        row.target,
        ruleText(row.rule.quantize),
        `${row.rows} × ${row.columns}`,
        row.tokens,
        (row.seconds * 1e3).toFixed(3),
        (row.multiplyAccumulatesPerSecond / 1e9).toFixed(0),
        (row.packedBytesPerSecond / 1e9).toFixed(1),
        share(row.ofReadBandwidth),
        share(row.ofDotProducts),
      ]),
    ),
  ].join("\n");
}

function ruleText({ method, bits, planes, group }: Readonly<Record<string, unknown>>): string {
  const size = bits === undefined ? (planes === undefined ? "" : ` × ${planes}`) : ` ${bits} bits`;
  return `${method}${size}${group === undefined ? "" : `, group ${group}`}`;
}
