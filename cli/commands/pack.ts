import { Command } from "commander";
import { packRun } from "../../src/pipeline/pack.js";
import { targetChoice } from "../../src/pipeline/target-choice.js";
import { bytesText } from "../../src/report/text.js";
import { findTarget } from "../../src/targets/registry.js";
import { type CommonOptions, openTools, settingsOf, withCommonOptions } from "../options.js";
import { printResult } from "../output.js";

export function packCommand(): Command {
  return withCommonOptions(new Command("pack"))
    .description("pack an existing run for one more target")
    .argument("<run>", "a run's folder")
    .requiredOption("--target <name>", "`luthier targets` lists them")
    .option("--set <name=value...>", "layout parameters of the target")
    .addHelpText(
      "after",
      "\nExamples:\n  luthier pack runs/tiny --target t-mac\n  luthier pack runs/tiny --target t-mac --set kFactor=8",
    )
    .action(
      async (run: string, options: CommonOptions & { readonly target: string; readonly set?: string[] }) => {
        const { onProgress } = openTools(options);
        const target = findTarget(options.target);
        const choice = targetChoice(target, settingsOf(options.set ?? []));
        const manifest = await packRun({ run, target: choice, onProgress });
        const bytes = manifest.linears.reduce((sum, entry) => sum + entry.bytes, 0);
        printResult(
          options.json ?? false,
          manifest,
          () => `${manifest.linears.length} linears packed for ${target.name}, ${bytesText(bytes)}`,
        );
      },
    );
}
