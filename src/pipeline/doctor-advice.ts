import type { Checkup } from "./doctor.js";

/** Something that is missing or stands in the way. */
export interface Finding {
  /** True when work cannot be done; else it is slower, or smaller, than it could be. */
  readonly isFault: boolean;
  readonly what: string;
  readonly fix: string;
}

/** What to do about a machine, faults first. */
export function adviceOn(checkup: Checkup): readonly Finding[] {
  const findings = [
    ...onNode(checkup),
    ...onKernels(checkup),
    ...onMemory(checkup),
    ...onDisks(checkup),
    ...onOpenFiles(checkup),
  ];
  return [...findings.filter(({ isFault }) => isFault), ...findings.filter(({ isFault }) => !isFault)];
}

const fault = (what: string, fix: string): Finding => ({ isFault: true, what, fix });
const hint = (what: string, fix: string): Finding => ({ isFault: false, what, fix });

const gibibyte = 2 ** 30;

function* onNode({ versions, onnxruntimeFault }: Checkup): Iterable<Finding> {
  if (Number.parseInt(versions.node, 10) < 20) {
    yield fault(`Node.js ${versions.node} is too old`, "Install Node.js 20 or newer.");
  }
  if (onnxruntimeFault !== null) {
    yield fault(
      `onnxruntime-node does not load (${onnxruntimeFault}): no model can be computed`,
      "Install again with `npm ci`; its binaries are for Linux x64 and arm64 with glibc, macOS arm64 and Windows.",
    );
  }
}

function* onKernels({ addon, paths, kernels, machine }: Checkup): Iterable<Finding> {
  const slower = "everything works on the TypeScript reference, slower";
  if (addon.file === null) {
    const { compiler } = machine;
    yield compiler?.hasCpp20
      ? hint(
          `the native addon is not built, though ${compiler.command} is here: ${slower}`,
          "Run `npm run build`; if it fails, native/build/failure.txt says why.",
        )
      : hint(
          `the native addon is not built, and ${compiler === null ? "there is no C++ compiler" : `${compiler.command} knows no C++20`}: ${slower}`,
          "Install a C++20 compiler (`apt install g++`, `xcode-select --install`), or name one in CXX, and run `npm run build`.",
        );
  } else if (addon.fault !== null) {
    yield hint(
      `the native addon does not load (${addon.fault}): ${slower}`,
      "Run `npm run build` on this machine.",
    );
  } else if (kernels !== paths[0]) {
    yield hint(`LUTHIER_KERNELS asks for ${kernels}; this machine has ${paths[0]}`, "Unset LUTHIER_KERNELS.");
  } else if (kernels === "portable") {
    yield hint(
      "the processor has none of the instruction sets with kernels of their own (AVX2, AVX-512)",
      "Use a machine with AVX2 where speed matters; the bytes are the same.",
    );
  }
}

function* onMemory({ machine }: Checkup): Iterable<Finding> {
  const { freeMemoryBytes, memoryLimitBytes } = machine;
  if (freeMemoryBytes >= 2 * gibibyte) return;
  const amount = `${(freeMemoryBytes / gibibyte).toFixed(1)} GiB of memory is free`;
  yield memoryLimitBytes !== null && memoryLimitBytes < 2 * gibibyte
    ? hint(
        `${amount}: the control group allows ${(memoryLimitBytes / gibibyte).toFixed(1)} GiB`,
        "Give the container or job more memory; `luthier quantize --dry-run` shows what a model needs.",
      )
    : hint(
        amount,
        "End other programs before a large model; `luthier quantize --dry-run` shows what it needs.",
      );
}

function* onDisks({ workingFolder, hub }: Checkup): Iterable<Finding> {
  if (!workingFolder.isWritable) {
    yield hint(
      `the working folder ${workingFolder.folder} cannot be written`,
      "Name a folder elsewhere with --out.",
    );
  }
  if (!hub.cache.isWritable && !hub.isOffline) {
    yield fault(
      `the hub's cache ${hub.cache.folder} cannot be written: only what it holds can be used`,
      "Set HF_HOME or HF_HUB_CACHE to a folder of yours, or HF_HUB_OFFLINE=1.",
    );
  }
  const places = [
    { what: "the working folder", ...workingFolder, fix: "choose a folder on another disk with --out" },
    { what: "the hub's cache", ...hub.cache, fix: "set HF_HOME to a folder on another disk" },
  ];
  for (const { what, folder, freeBytes, fix } of hub.isOffline ? places.slice(0, 1) : places) {
    if (freeBytes >= 5 * gibibyte) continue;
    const isFault = freeBytes < 2 ** 26; // not even the bundled model's run
    yield {
      isFault,
      what: `${what} ${folder} has ${(freeBytes / gibibyte).toFixed(2)} GiB free`,
      fix: `Free some space, or ${fix}.`,
    };
  }
}

/** Checkpoints come in up to some hundred shards, open at once, beside the files of a pack. */
function* onOpenFiles({ machine: { openFiles } }: Checkup): Iterable<Finding> {
  if (openFiles === null || openFiles >= 1024) return;
  yield hint(
    `a process may have only ${openFiles} files open: checkpoints of many shards need more`,
    "Raise the limit with `ulimit -n 4096`.",
  );
}
