import type { Kernels } from "./kernels.js";

/** What a machine can do at best with the kernels' path and threads: what speed is held against. */
export interface MachineLimits {
  /** Bytes a second that are read from memory, when no cache holds them. */
  readonly readBytesPerSecond: number;
  /** INT8 multiply-accumulates a second of the path's dot-product instruction, from registers. */
  readonly dotProductsPerSecond: number;
}

/** More than any last-level cache in use. */
const bytesBeyondCaches = 2 ** 29;

/** Measures both; null on the reference path, which is no measure of the machine. About half a second. */
export async function measureLimits({
  native,
  path,
  threads,
}: Pick<Kernels, "native" | "path" | "threads">): Promise<MachineLimits | null> {
  if (native === null) return null;
  const out = new Uint32Array(1);
  const bytes = new Uint8Array(bytesBeyondCaches).fill(1);
  const readSeconds = await fastest(() => native.readMemory(path, threads, bytes, out));
  const rounds = 1 << 20;
  const dotSeconds = await fastest(() => native.dotProducts(path, threads, rounds, out));
  return {
    readBytesPerSecond: bytes.length / readSeconds,
    dotProductsPerSecond: (out[0] * rounds * threads) / dotSeconds,
  };
}

async function fastest(work: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 7; round++) {
    const start = performance.now();
    await work();
    least = Math.min(least, (performance.now() - start) / 1000);
  }
  return least;
}
