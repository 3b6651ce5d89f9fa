import { Command } from "commander";
import { writeAtomically } from "../../src/checkpoint/atomic.js";
import { estimate } from "../../src/pipeline/estimate.js";
import type { Estimate, Phase, Refused } from "../../src/pipeline/estimate-linears.js";
import { loadDevice } from "../../src/recipe/device.js";
import { loadRecipe } from "../../src/recipe/shipped.js";
import { rooflineSvg } from "../../src/report/roofline.js";
import { bytesText, countText } from "../../src/report/text.js";
import { findTarget } from "../../src/targets/registry.js";
import {
  type CommonOptions,
  localFolder,
  openTools,
  settingsOf,
  wholeNumber,
  withCommonOptions,
} from "../options.js";
import { facts, printResult, table, title } from "../output.js";

interface Options extends CommonOptions {
  readonly target: string;
  readonly device: string;
  readonly recipe?: string;
  readonly set?: string[];
  readonly prefill: number;
  readonly decode: number;
  readonly svg?: string;
}

export function estimateCommand(): Command {
  return withCommonOptions(new Command("estimate"))
    .description(
      "what a model's linears cost on a device: cycles, bytes, memory, energy, by the target's formulas",
    )
    .argument(
      "<run|model>",
      "a run's or checkpoint's folder, or a hub id; a checkpoint is planned, not quantized",
    )
    .requiredOption("--target <name>", "`luthier targets` lists them")
    .requiredOption("--device <name|file>", "a device (`luthier devices`) or a YAML file of your own")
    .option("--recipe <name|file>", "rules for a checkpoint (default: the target's typical rule, head float)")
    .option("--set <name=value...>", "layout parameters of the target")
    .option("--prefill <tokens>", "tokens of the prompt", wholeNumber, 128)
    .option("--decode <tokens>", "tokens that are generated after it", wholeNumber, 128)
    .option("--svg <file>", "write a roofline picture")
    .addHelpText("after", examples)
    .action(async (model: string, options: Options) => {
      const { onProgress } = openTools(options);
      const target = findTarget(options.target);
      const device = await loadDevice(options.device);
      const recipe = options.recipe === undefined ? undefined : await loadRecipe(options.recipe);
      const { prefill, decode } = options;
      const found = await estimate({
        path: await localFolder(model, onProgress),
        target,
        device,
        recipe,
        parameters: settingsOf(options.set ?? []),
        prefill,
        decode,
      });
      if (options.svg) await writeAtomically(options.svg, [Buffer.from(rooflineSvg(found))]);
      printResult(options.json ?? false, found, () => text(found));
    });
}

const examples = `
Figures are bounds from the formulas of the target's source, on the figures of the device's file; published results are
printed beside them and never fitted to. docs/estimate.md has the formulas.

Examples:
  luthier estimate runs/tiny --target t-mac --device surface-book-3
  luthier estimate models/tiny --target tellme --device kv260 --prefill 64 --decode 128 --svg roofline.svg
  luthier estimate Qwen/Qwen3-0.6B --target t-mac --recipe rtn-int4-g128 --device my-board.yaml --json`;

function text(found: Estimate): string {
  const { device, prefill, decode, request, memory, power, published, notes } = found;
  return [
    title(`${found.model}, ${found.rules}: ${found.target} on ${device.name}`),
    facts([
      ["device", device.what],
      ["clock", `${device.clockHertz.value / 1e6} MHz (${device.clockHertz.source})`],
      [
        "off-chip memory",
        `${device.offChipBytesPerSecond.value / 1e9} GB/s (${device.offChipBytesPerSecond.source})`,
      ],
      ["parameters", JSON.stringify(found.parameters)],
      ["formulas", found.source],
    ]),
    "",
    ...phaseText("prompt", prefill),
    "",
    ...phaseText("decoding", decode),
    "",
    facts([
      ["weights", weightsText(found)],
      ...(request
        ? [
            [
              "request",
              `${milliseconds(request.seconds)} for the prompt and ${request.decodeTokens} tokens more`,
            ] as const,
          ]
        : []),
      ...memory.map((fit) => [fit.memory, fitText(fit)] as const),
      power
        ? (["energy", `${energyText(prefill, decode)} at ${power.watts} W (${power.source})`] as const)
        : (["energy", "no power is published for this target on this device"] as const),
    ]),
    ...alternativesText(found),
    ...(published.length === 0
      ? []
      : [
          "",
          title("published, whole models"),
          facts(published.map(({ what, value, unit, source }) => [what, `${value} ${unit} (${source})`])),
        ]),
    "",
    ...notes.map((note) => `· ${note}`),
  ].join("\n");
}

function phaseText(name: string, phase: Phase | Refused): readonly string[] {
  if ("refused" in phase) return [title(name), `no estimate: ${phase.refused.reason}`];
  const rate = `${milliseconds(phase.seconds)}, ${countText(Math.round(phase.tokensPerSecond * 100) / 100)} tok/s`;
  return [
    title(`${name}, ${phase.tokens === 1 ? "a token" : `${phase.tokens} tokens`}: ${rate}`),
    table(
      ["linears", "outputs × inputs", "scheme", "cycles", "share", "lookups", "off-chip", "waits for"],
      phase.kinds.map((kind) => [
        `${kind.count} × ${kind.kind}`,
        `${kind.rows} × ${kind.columns}`,
        kind.scheme,
        countText(Math.round(kind.cycles)),
        `${((100 * kind.cycles) / phase.cycles).toFixed(1)} %`,
        countText(kind.lookups),
        bytesText(Math.round(kind.offChipBytes)),
        kind.bound,
      ]),
    ),
  ];
}

function weightsText({ weightBytes, weightParts }: Estimate): string {
  const parts = weightParts.map(({ what, bytes }) => `${what} ${bytesText(bytes)}`);
  return `${bytesText(weightBytes)}${parts.length === 0 ? "" : `, of them ${parts.join(", ")}`}`;
}

function alternativesText({ alternatives, device }: Estimate): readonly string[] {
  if (alternatives.length === 0) return [];
  return [
    "",
    title("the quantized linears for one token, by what has centroids"),
    table(
      ["centroids of", "loaded", "cycles of loading", "time", "arithmetic"],
      alternatives.map(({ name, bytes, cycles, arithmetic }) => [
        name,
        bytesText(Math.round(bytes)),
        countText(Math.round(cycles)),
        milliseconds(cycles / device.clockHertz.value),
        countText(arithmetic),
      ]),
    ),
  ];
}

function fitText({ what, usedBytes, availableBytes }: Estimate["memory"][number]): string {
  if (availableBytes === null) return `${bytesText(usedBytes)}: ${what}; the device file has no such memory`;
  const verdict = usedBytes <= availableBytes ? "" : ", does not fit";
  return `${bytesText(usedBytes)} of ${bytesText(availableBytes)}${verdict}: ${what}`;
}

function energyText(...phases: readonly (Phase | Refused)[]): string {
  const [prefill, decode] = phases.map((phase) => ("refused" in phase ? null : phase.joulesPerToken));
  const each = (joules: number | null) => (joules === null ? "–" : joulesText(joules));
  return `${each(prefill)} a token of the prompt, ${each(decode)} a token decoded`;
}

function milliseconds(seconds: number): string {
  return `${(seconds * 1e3).toPrecision(4)} ms`;
}

function joulesText(joules: number): string {
  const [unit, size] = joules >= 1 ? ["J", 1] : joules >= 1e-3 ? ["mJ", 1e-3] : ["µJ", 1e-6];
  return `${(joules / size).toPrecision(3)} ${unit}`;
}
