import type { Kernels } from "../../src/kernels/kernels.js";
import { openKernels } from "../../src/kernels/open.js";

/** The native kernels of every path of this machine, on one and on three threads. */
export const nativeKernels: readonly { readonly name: string; readonly native: Kernels }[] = (
  openKernels().native?.paths() ?? []
).flatMap((path) =>
  [1, 3].map((threads) => ({
    name: `${path}, ${threads} threads`,
    native: openKernels({ path, threads }),
  })),
);

export const reference = openKernels({ path: "reference" });
