import { Command } from "commander";
import pc from "picocolors";
import { openKernels } from "../../src/kernels/open.js";
import { type Diagnosis, examine } from "../../src/pipeline/doctor.js";
import type { DiskPlace } from "../../src/pipeline/machine.js";
import { bytesText } from "../../src/report/text.js";
import { type CommonOptions, withCommonOptions } from "../options.js";
import { facts, printResult } from "../output.js";

export function doctorCommand(): Command {
  return withCommonOptions(new Command("doctor"))
    .description("say what this machine has, what is missing, and what to do")
    .addHelpText("after", "\nExits with 1 when something does not work.\n\nExample:\n  luthier doctor")
    .action(async ({ json, threads }: CommonOptions) => {
      const diagnosis = await examine(openKernels({ threads }), process.cwd(), process.env);
      const { addon, ...rest } = diagnosis;
      const printed = { ...rest, addon: { file: addon.file, fault: addon.fault } };
      printResult(json ?? false, printed, () => `${factsText(diagnosis)}\n\n${findingsText(diagnosis)}`);
      if (!diagnosis.works) process.exitCode = 1;
    });
}

function factsText({ versions, machine, addon, limits, hub, ...found }: Diagnosis): string {
  const { compiler, memoryLimitBytes: limit } = machine;
  const speeds = limits && [
    `memory reads ${(limits.readBytesPerSecond / 1e9).toFixed(1)} GB/s`,
    `INT8 dot products ${(limits.dotProductsPerSecond / 1e9).toFixed(0)} GMAC/s`,
  ];
  return facts([
    ["luthier", versions.luthier],
    ["node, npm", `${versions.node}, ${machine.npm ?? "no npm"}`],
    ["onnxruntime", found.onnxruntimeFault ?? versions["onnxruntime-node"]],
    ["processor", `${machine.processor}, ${machine.cores} cores, ${machine.usableCores} usable`],
    ["instructions", machine.instructionSets?.join(" ") || "not told"],
    ["memory", `${bytesText(machine.memoryBytes)}, ${bytesText(machine.freeMemoryBytes)} free`],
    ["memory limit", limit === null ? "none" : bytesText(limit)],
    ["measured", speeds?.join(", ") ?? "not on the reference, or without 1 GiB of free memory"],
    [
      "compiler",
      compiler === null ? "none" : `${compiler.version}${compiler.hasCpp20 ? "" : ", without C++20"}`,
    ],
    ["addon", addon.fault ?? addon.file ?? "not built"],
    [
      "kernels",
      `${found.kernels}, ${found.threads} threads (here: ${[...found.paths, "reference"].join(", ")})`,
    ],
    ["working folder", diskText(found.workingFolder)],
    ["hub cache", diskText(hub.cache)],
    ["hub", `${hub.isOffline ? "offline" : "online"}, HF_TOKEN ${hub.hasToken ? "is set" : "is not set"}`],
    ["open files", machine.openFiles ?? "no limit"],
  ]);
}

function diskText({ folder, freeBytes, isWritable }: DiskPlace): string {
  return `${folder}, ${bytesText(freeBytes)} free${isWritable ? "" : ", cannot be written"}`;
}

function findingsText({ findings }: Diagnosis): string {
  if (findings.length === 0) return "All is in order.";
  return findings
    .map(({ isFault, what, fix }) => {
      const mark = isFault ? pc.red("fault:") : pc.yellow("note:");
      return `${mark} ${what}\n${pc.dim("→")} ${fix}`;
    })
    .join("\n");
}
