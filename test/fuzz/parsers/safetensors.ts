import path from "node:path";
import { writeSafetensors } from "../../../src/checkpoint/safetensors.js";
import { openTensors, readMatrix, readVector } from "../../../src/checkpoint/tensors.js";
import { openKernels } from "../../../src/kernels/open.js";
import { type Dtype, dtypeBytes, isFloatDtype } from "../../../src/tensor/dtype.js";
import { parserInFolder } from "../in-folder.js";
import { mutateSafetensors } from "../mutate-safetensors.js";
import { samplesIn } from "../tiny-run.js";

const kernels = openKernels({ path: "reference" });

/** Headers, tensors of every dtype, weights in FP8 with their scales. */
export const safetensors = parserInFolder({
  name: "safetensors",
  covers: ["checkpoint/safetensors", "checkpoint/tensors", "checkpoint/fp8-scales", "checkpoint/json-file"],
  async fill(folder) {
    const tensors = [
      ...(Object.keys(dtypeBytes) as Dtype[]).map((dtype) => ({
        name: `some.${dtype}`,
        dtype,
        shape: [3, 4],
      })),
      { name: "norm.weight", dtype: "F32" as const, shape: [5] },
      { name: "scalar", dtype: "BF16" as const, shape: [] },
      { name: "empty", dtype: "F16" as const, shape: [0, 7] },
      { name: "some.F8_E4M3_scale", dtype: "F32" as const, shape: [1] },
      { name: "block.weight", dtype: "F8_E4M3" as const, shape: [4, 6] },
      { name: "block.weight_scale_inv", dtype: "F32" as const, shape: [2, 3] },
    ];
    const bytesOf = (dtype: Dtype, shape: readonly number[]) =>
      new Uint8Array(shape.reduce((product, length) => product * length, dtypeBytes[dtype])).fill(0x21);
    const filled = tensors.map((tensor) => ({ ...tensor, bytes: bytesOf(tensor.dtype, tensor.shape) }));
    await writeSafetensors(path.join(folder, "many.safetensors"), filled, { format: "pt", of: "a test" });
    await writeSafetensors(path.join(folder, "one.safetensors"), filled.slice(0, 1));
    await writeSafetensors(path.join(folder, "none.safetensors"), []);
    return samplesIn(folder, () => true);
  },
  mutation: () => mutateSafetensors,
  async read(folder, { file }) {
    const source = await openTensors([path.join(folder, file)]);
    try {
      for (const [name, { dtype, shape }] of source.tensors) {
        await source.read(name);
        if (!isFloatDtype(dtype)) continue;
        if (shape.length === 1) await readVector(source, name, kernels);
        if (shape.length === 2) await readMatrix({ ...source, scaleBlock: [2, 2] }, name, kernels);
      }
    } finally {
      await source.close();
    }
  },
});
