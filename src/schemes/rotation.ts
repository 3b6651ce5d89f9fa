import { z } from "zod";
import { hadamardFactors } from "../kernels/hadamard-matrix.js";
import type { Kernels } from "../kernels/kernels.js";
import type { Matrix } from "../tensor/matrix.js";

/** A rotation of a linear's input that is computed whenever the linear is: its weight is rotated the same way. */
export interface Rotation {
  /** By an orthonormal Hadamard matrix, src/kernels/hadamard.ts. */
  readonly kind: "hadamard";
  /** Neighbouring inputs that are mixed with one another; divides K. */
  readonly size: number;
}

/** A rotation as files state it. */
export const rotation: z.ZodType<Rotation> = z.strictObject({
  kind: z.literal("hadamard"),
  size: z.int().min(2),
});

/** Why a rotation cannot be one of so many inputs; null when it can. */
export function rotationFault({ size }: Rotation, columns: number): string | null {
  if (columns % size !== 0) return `runs of ${size} inputs do not divide ${columns}`;
  return hadamardFactors(size) ? null : `no Hadamard matrix of order ${size} is known`;
}

/** The input `[tokens, K]`, rotated. */
export async function rotated(
  { rows, columns, data }: Matrix,
  { size }: Rotation,
  kernels: Pick<Kernels, "hadamard">,
): Promise<Matrix> {
  return { rows, columns, data: await kernels.hadamard(data, { columns, size, factors: null }) };
}
