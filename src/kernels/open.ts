import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { LuthierError } from "../error.js";
import { packagePath } from "../package.js";
import { type KernelPath, type Kernels, kernelPaths } from "./kernels.js";
import type { NativeAddon } from "./native-addon.js";
import { nativeKernels } from "./native-kernels.js";
import { referenceKernels } from "./reference-kernels.js";

export interface KernelOptions {
  /** Defaults to `LUTHIER_THREADS`, else all cores. */
  readonly threads?: number;
  /** Defaults to `LUTHIER_KERNELS`, else the best that this machine has. */
  readonly path?: KernelPath;
}

/**
 * The hot functions on the best path of this machine.
 * @throws LuthierError when a path is asked for that is not to be had here, or the number of threads is no count.
 */
export function openKernels(options: KernelOptions = {}): Kernels {
  const threads = options.threads ?? threadsWanted(process.env.LUTHIER_THREADS);
  const { addon } = addonState();
  const paths: readonly KernelPath[] = [...(addon?.paths() ?? []), "reference"];
  const path = options.path ?? pathWanted(process.env.LUTHIER_KERNELS) ?? paths[0];
  if (!paths.includes(path)) {
    throw new LuthierError(
      `the kernel path '${path}' is not available here; available: ${paths.join(", ")}`,
      addon
        ? "choose one of those with LUTHIER_KERNELS"
        : "build the addon with `npm run build` (needs a C++20 compiler)",
      { usage: true },
    );
  }
  return path === "reference" || addon === null ? referenceKernels() : nativeKernels(addon, path, threads);
}

function threadsWanted(text: string | undefined): number {
  if (text === undefined || text === "") return availableParallelism();
  const threads = Number(text);
  if (Number.isInteger(threads) && threads >= 1 && threads <= 1024) return threads;
  throw new LuthierError(`LUTHIER_THREADS is '${text}'`, "set it to a whole number from 1 to 1024", {
    usage: true,
  });
}

function pathWanted(text: string | undefined): KernelPath | undefined {
  if (text === undefined || text === "") return undefined;
  if ((kernelPaths as readonly string[]).includes(text)) return text as KernelPath;
  throw new LuthierError(`LUTHIER_KERNELS is '${text}'`, `set it to one of ${kernelPaths.join(", ")}`, {
    usage: true,
  });
}

/** The addon that `native/build.mjs` built, or another build of it that `LUTHIER_ADDON` names. */
export interface AddonState {
  /** Null when it was not built. */
  readonly file: string | null;
  /** Null when it was not built or does not load. */
  readonly addon: NativeAddon | null;
  /** Why it does not load: most often it was built for another Node.js or processor. The reference serves then. */
  readonly fault: string | null;
}

export function addonState(): AddonState {
  const file = process.env.LUTHIER_ADDON || packagePath("native/build/luthier.node");
  if (!existsSync(file)) return { file: null, addon: null, fault: null };
  try {
    return { file, addon: createRequire(import.meta.url)(file) as NativeAddon, fault: null };
  } catch (error) {
    return { file, addon: null, fault: (error as Error).message };
  }
}
