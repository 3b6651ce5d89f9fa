import type { Kernels } from "../../kernels/kernels.js";
import { type Rotation, rotated } from "../../schemes/rotation.js";
import type { Matrix } from "../../tensor/matrix.js";
import type { Executor } from "../executor.js";

/** Rotates the inputs of linears that ask for it before another executor sees them. */
export function openRotatingExecutor<Inner extends Pick<Executor, "run">>(
  inner: Inner,
  rotationOf: (linear: string) => Rotation | null,
  kernels: Pick<Kernels, "hadamard">,
): Inner {
  return {
    ...inner,
    async run(linears: readonly string[], input: Matrix) {
      const outputs = new Map<string, Matrix>();
      for (const [size, together] of bySize(linears, rotationOf)) {
        const given =
          size === 0 || input.rows === 0 ? input : await rotated(input, { kind: "hadamard", size }, kernels);
        const computed = await inner.run(together, given);
        for (const [at, name] of together.entries()) outputs.set(name, computed[at]);
      }
      return linears.map((name) => outputs.get(name) as Matrix);
    },
  };
}

/** Linears by the size of their rotation; 0 of those without one. */
function bySize(
  linears: readonly string[],
  rotationOf: (linear: string) => Rotation | null,
): ReadonlyMap<number, readonly string[]> {
  const groups = new Map<number, string[]>();
  for (const name of linears) {
    const size = rotationOf(name)?.size ?? 0;
    groups.set(size, [...(groups.get(size) ?? []), name]);
  }
  return groups;
}
