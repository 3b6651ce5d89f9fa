import path from "node:path";
import { writeSafetensors } from "../../../src/checkpoint/safetensors.js";
import type { ChannelGroup, LinearInfo, ScalableInput } from "../../../src/model/architecture.js";
import { readOrders, writeOrders } from "../../../src/pipeline/orders-file.js";
import { named, readBias } from "../../../src/pipeline/quantized-files.js";
import { readScales, writeScales } from "../../../src/pipeline/scales-file.js";
import { float32Tensor } from "../../../src/tensor/tensor.js";
import { parserInFolder } from "../in-folder.js";
import { mutateSealed } from "../mutate-sealed.js";
import { samplesIn } from "../tiny-run.js";

const groups: readonly ChannelGroup[] = [
  { name: "residual", size: 8, rotatable: true, places: [] },
  { name: "model.layers.0.mlp", size: 3, rotatable: false, places: [] },
];
const linear: LinearInfo = {
  ...{ name: "model.layers.0.self_attn.o_proj", rows: 4, columns: 8, tensor: "a tensor", bias: null },
  ...{ norm: null, headNorm: null, rotaryHeadSize: null, attention: null },
};
/** Channels that are read twice and have the same scales both times. */
const input: ScalableInput = {
  linears: [linear],
  madeBy: "linear",
  runs: [{ size: 4, makers: [{ tensor: "another", first: 0 }], firsts: [0, 4] }],
};
const transform = "awq";

/** What transforms found, and the bias of a linear: damaged ones count as not there. */
export const found = parserInFolder({
  name: "found",
  covers: ["pipeline/found-files", "pipeline/orders-file", "pipeline/scales-file"],
  async fill(folder) {
    const orders = [Uint32Array.of(3, 1, 0, 2, 7, 6, 5, 4), Uint32Array.of(2, 0, 1)];
    await writeOrders(folder, new Map(groups.map(({ name }, at) => [name, orders[at]])));
    await writeScales(folder, transform, input, Float32Array.of(1, 2, 0.5, 4, 1, 2, 0.5, 4));
    const bias = { bias: float32Tensor(Float32Array.of(1, -1, 0, 2)) };
    await writeSafetensors(path.join(folder, "bias.safetensors"), named(bias));
    return samplesIn(folder, () => true);
  },
  mutation: () => mutateSealed,
  async read(folder, { file }) {
    if (file === "bias.safetensors") return readBias(path.join(folder, file), linear.rows);
    return [await readOrders(folder, groups), await readScales(folder, transform, input)];
  },
});
