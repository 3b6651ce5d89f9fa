import type { Kernels } from "../../kernels/kernels.js";
import type { NativeAddon } from "../../kernels/native-addon.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import type { Shape } from "./arithmetic.js";
import type { InputFormat, Pass } from "./layout.js";

/** The same bits as `multiply` of arithmetic.ts, by the addon. */
export async function multiplyNative(
  input: Matrix,
  passes: readonly Pass[],
  shape: Shape,
  native: NativeAddon,
  kernels: Kernels,
): Promise<Matrix> {
  const out = matrix(input.rows, shape.rows);
  const { rows, columns, group, bits, tileOutputs, tileInputs, tableGroup, tableScale, oneScale } = shape;
  const numbers = Uint32Array.of(
    ...[rows, columns, group, bits, tileOutputs, tileInputs, tableGroup],
    ...[inputNumber[shape.input], Number(tableScale === "power-of-two"), Number(oneScale)],
  );
  await native.lutTensorCoreMultiply(
    kernels.path,
    kernels.threads,
    numbers,
    input.data,
    passes.map((pass) => pass.selectors),
    passes.map((pass) => pass.scales),
    passes.flatMap((pass) => pass.zeroPoints ?? []),
    out.data,
  );
  return out;
}

const inputNumber: Record<InputFormat, number> = { float16: 0, e4m3: 1, e5m2: 2, int8: 3, int16: 4 };
