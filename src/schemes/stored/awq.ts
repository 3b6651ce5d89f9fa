import { z } from "zod";
import type { TensorSource } from "../../checkpoint/tensor-source.js";
import {
  expectShape,
  expectTensor,
  linearsWith,
  misshapen,
  parseConfig,
  readFloats,
  type StoredFormat,
  scaleDtypes,
  unread,
} from "./format.js";
import { intGrid, storedLinear } from "./stored-linear.js";
import { transposeCodes, transposeFloats, unpackRows } from "./words.js";

/*
 * The tensors of an AWQ linear in the version `gemm` (AutoAWQ, awq/modules/linear/gemm.py): four bits,
 * `w[n, k] = s[⌊k / g⌋, n] · (q[k, n] − z[⌊k / g⌋, n])`.
 *
 *   qweight  I32 [K, N / 8]
 *   qzeros   I32 [K / g, N / 8]
 *   scales   F16 [K / g, N]
 *
 * A word holds eight outputs. Its nibbles, from the lowest, are the outputs 0 2 4 6 1 3 5 7 of the eight.
 */

const bits = 4;
const perWord = 8;
const outputOfNibble = [0, 2, 4, 6, 1, 3, 5, 7];

const configSchema = z.looseObject({
  bits: z.literal(bits).nullish(),
  w_bit: z.literal(bits).nullish(),
  version: z.string().nullish(),
  /** The same under the names of GPTQModel. */
  checkpoint_format: z.string().nullish(),
  format: z.string().nullish(),
});

export const awq: StoredFormat = {
  method: "awq",
  async open(source, config, file) {
    const chosen = parseConfig(configSchema, config, file);
    const version = (chosen.version ?? chosen.checkpoint_format ?? chosen.format ?? "gemm").toLowerCase();
    if (version !== "gemm") throw unread(file, `the AWQ version is ${version}; gemm is read`);
    return new Map(linearsWith(source, "qweight").map((name) => [name, linear(name, source)]));
  },
};

function linear(name: string, source: TensorSource) {
  const qweight = expectTensor(source, `${name}.qweight`, ["I32"], 2);
  const qzeros = expectTensor(source, `${name}.qzeros`, ["I32"], 2);
  const scales = expectTensor(source, `${name}.scales`, scaleDtypes, 2);
  const [columns, words] = qweight.shape;
  const [groups] = scales.shape;
  const rows = words * perWord;
  expectShape(qzeros, `${name}.qzeros`, [groups, words]);
  expectShape(scales, `${name}.scales`, [groups, rows]);
  if (groups === 0 || columns % groups !== 0) {
    throw misshapen(`${name}.scales`, `has ${groups} groups for ${columns} inputs`);
  }
  const codesOf = async (tensor: string, length: number) =>
    awqCodes(await source.read(`${name}.${tensor}`), length, rows);
  return storedLinear({
    name,
    rows,
    columns,
    tensors: ["qweight", "qzeros", "scales"].map((part) => `${name}.${part}`),
    activation: { scheme: "float" },
    codes: () => codesOf("qweight", columns),
    async grid() {
      const values = transposeFloats(await readFloats(source, `${name}.scales`), groups, rows);
      const shape = { rows, columns, group: columns / groups, scaleRows: rows, bits };
      return intGrid(shape, values, await codesOf("qzeros", groups), null, `${name}.scales`);
    },
  });
}

/** `[rows, length]` codes from the words `[length, rows / 8]` of a file. */
function awqCodes(words: Uint8Array, length: number, rows: number): Uint8Array {
  const nibbles = unpackRows(words, length, rows, bits);
  const codes = new Uint8Array(nibbles.length);
  for (let first = 0; first < codes.length; first += perWord) {
    for (let i = 0; i < perWord; i++) codes[first + outputOfNibble[i]] = nibbles[first + i];
  }
  return transposeCodes(codes, length, rows);
}
