import { z } from "zod";
import type { TensorSource } from "../../checkpoint/tensor-source.js";
import { tritsOutline } from "../planes.js";
import { scaleGrid } from "../scale-grid.js";
import {
  expectTensor,
  linearsWith,
  misshapen,
  parseConfig,
  readFloats,
  type StoredFormat,
  scaleDtypes,
  unread,
} from "./format.js";
import { storedLinear } from "./stored-linear.js";

/*
 * The tensors of a BitNet linear as transformers packs it (`integrations/bitnet.py`, quant_method `bitnet`):
 *
 *   weight        U8 [N / 4, K]   bits 2i, 2i + 1 of byte (r, k) are the trit of output i · N / 4 + r, plus one
 *   weight_scale  [1]   the layer class AutoBitLinear multiplies by it, BitLinear divides by it
 *
 * Both quantize their input to INT8 by absmax a token.
 */

const tritsPerByte = 4;

const configSchema = z.looseObject({
  linear_class: z.enum(["bitlinear", "autobitlinear"]).nullish(),
  quantization_mode: z.enum(["offline", "online"]).nullish(),
  use_rms_norm: z.boolean().nullish(),
});

export const bitnet: StoredFormat = {
  method: "bitnet",
  async open(source, config, file) {
    const {
      linear_class: layer,
      quantization_mode: mode,
      use_rms_norm,
    } = parseConfig(configSchema, config, file);
    if (layer === "autobitlinear" && mode === "online") {
      throw unread(
        file,
        "quantization_mode is online: the weights are float masters that the runtime makes ternary",
        "take the packed checkpoint; or remove quantization_config and quantize the masters with `method: absmean`",
      );
    }
    if (use_rms_norm)
      throw unread(file, "use_rms_norm puts a norm before every linear, which is not computed");
    const names = linearsWith(source, "weight_scale");
    return new Map(names.map((name) => [name, linear(name, layer === "autobitlinear", source)]));
  },
};

function linear(name: string, multiplies: boolean, source: TensorSource) {
  const [packedRows, columns] = expectTensor(source, `${name}.weight`, ["U8"], 2).shape;
  const scaleName = `${name}.weight_scale`;
  const rank = source.tensors.get(scaleName)?.shape.length === 0 ? 0 : 1;
  const { shape } = expectTensor(source, scaleName, scaleDtypes, rank);
  if (rank === 1 && shape[0] !== 1) throw misshapen(scaleName, `has ${shape[0]} scales, one is needed`);
  const rows = packedRows * tritsPerByte;
  return storedLinear({
    name,
    rows,
    columns,
    tensors: [`${name}.weight`, scaleName],
    activation: { scheme: "int8", per: "token" },
    async grid() {
      const [value] = await readFloats(source, scaleName);
      const scale = Math.fround(multiplies ? value : 1 / value);
      if (!Number.isFinite(scale)) throw misshapen(scaleName, `holds ${value}`);
      const outline = tritsOutline(1, scaleGrid(rows, columns, "tensor"));
      return { outline, scales: Float32Array.of(scale), zeroPoints: null, order: null };
    },
    codes: async () => bitnetTrits(await source.read(`${name}.weight`), `${name}.weight`),
  });
}

/** `[N, K]` trits from the bytes `[N / 4, K]` of a file. */
function bitnetTrits(bytes: Uint8Array, name: string): Int8Array {
  const trits = new Int8Array(bytes.length * tritsPerByte);
  for (let quarter = 0; quarter < tritsPerByte; quarter++) {
    const first = quarter * bytes.length;
    for (let at = 0; at < bytes.length; at++) {
      const digit = (bytes[at] >> (2 * quarter)) & 3;
      if (digit === 3) throw misshapen(name, `holds the digit 3 in byte ${at}; a trit is 0, 1 or 2`);
      trits[first + at] = digit - 1;
    }
  }
  return trits;
}
