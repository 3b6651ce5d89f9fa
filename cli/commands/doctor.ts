import { cpus, totalmem } from "node:os";
import { Command } from "commander";
import { addonPath, openKernels } from "../../src/kernels/open.js";
import { versions } from "../../src/pipeline/versions.js";
import { bytesText } from "../../src/report/text.js";
import { type CommonOptions, withCommonOptions } from "../options.js";
import { facts, printResult } from "../output.js";

export function doctorCommand(): Command {
  return withCommonOptions(new Command("doctor"))
    .description("say what this machine has, what is missing, and what to do")
    .addHelpText("after", "\nExample:\n  luthier doctor")
    .action(({ json, threads }: CommonOptions) => {
      const kernels = openKernels({ threads });
      const addon = addonPath();
      const paths = kernels.native?.paths() ?? [];
      const advice = adviceOf(addon, kernels.path);
      const [cpu] = cpus();
      const found = {
        versions: versions(),
        processor: cpu?.model ?? "unknown",
        cores: cpus().length,
        memoryBytes: totalmem(),
        addon,
        paths,
        kernels: kernels.path,
        threads: kernels.threads,
        advice,
      };
      printResult(json ?? false, found, () =>
        [
          facts([
            ["luthier", found.versions.luthier],
            ["node", found.versions.node],
            ["onnxruntime", found.versions["onnxruntime-node"]],
            ["processor", `${found.processor.trim()}, ${found.cores} cores`],
            ["memory", bytesText(found.memoryBytes)],
            ["addon", addon ?? "not built"],
            [
              "kernels",
              `${kernels.path}, ${kernels.threads} threads (here: ${[...paths, "reference"].join(", ")})`,
            ],
          ]),
          "",
          advice,
        ].join("\n"),
      );
    });
}

function adviceOf(addon: string | null, path: string): string {
  if (addon === null) {
    return "The native addon is not built: everything works on the TypeScript reference, slower. Install a C++20 compiler and run `npm run build`.";
  }
  if (path !== "reference") return "All is in order.";
  return "The native addon does not load here, or LUTHIER_KERNELS asks for the reference: unset it, or run `npm run build` again on this machine.";
}
