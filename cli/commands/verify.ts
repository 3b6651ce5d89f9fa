import { Command } from "commander";
import pc from "picocolors";
import { verifyRun } from "../../src/pipeline/verify.js";
import { type CommonOptions, openTools, withCommonOptions } from "../options.js";
import { printResult } from "../output.js";

export function verifyCommand(): Command {
  return withCommonOptions(new Command("verify"))
    .description(
      "check a run from its files: hashes, packs against schemes, native engine against the reference",
    )
    .argument("<run>", "a run's folder")
    .addHelpText("after", "\nExample:\n  luthier verify runs/tiny")
    .action(async (run: string, options: CommonOptions) => {
      const { kernels, onProgress } = openTools(options);
      const result = await verifyRun(run, kernels, onProgress);
      if (result.faults.length > 0) process.exitCode = 1;
      const checked = `${result.files} files, ${result.packedLinears} packed linears`;
      const engines =
        result.paths.length > 0
          ? `, ${result.paths.join(", ")} engine = reference`
          : ", reference engine only";
      printResult(options.json ?? false, result, () =>
        result.faults.length === 0
          ? `${pc.green("verified")}: ${checked}${engines}`
          : `${pc.red(`${result.faults.length} faults`)} in ${checked}:\n${result.faults.join("\n")}`,
      );
    });
}
