import { matrix } from "../../tensor/matrix.js";
import type { Signal, SignalFormat } from "../signal.js";
import { refuseUnsound } from "../target.js";
import { type Planes, tokenSteps } from "./arithmetic.js";
import { modelRows } from "./rows.js";

const float16 = { kind: "float", bits: 16 } as const;
const float32 = { kind: "float", bits: 32 } as const;
const signed = (bits: number): SignalFormat => ({ kind: "signed", bits });

/** Every array of one token's product, in the order in which they arise; rows in the hardware's order up to `output`. */
export function traceToken(x: Float32Array, weight: Planes, pairedHeadSize: number): readonly Signal[] {
  const { rows, columns } = weight;
  const input = matrix(1, columns, x);
  const { token, tables, planes, output } = tokenSteps(x, weight);
  refuseUnsound(input, matrix(1, rows, output));
  const places = modelRows(rows, pairedHeadSize);
  const ofPlanes = planes.flatMap(({ accumulators, factor, dequantized }, plane): Signal[] => [
    {
      name: `plane${plane}-accumulators`,
      what: "INT32 sums of table entries over K, [N]",
      format: signed(32),
      shape: [rows],
      values: Int32Array.from(places, (row) => accumulators[row]),
    },
    {
      name: `plane${plane}-factor`,
      what: "what a unit of an accumulator stands for: weight scale / token scale",
      format: float32,
      shape: [1],
      values: [factor],
    },
    {
      name: `plane${plane}-dequantized`,
      what: "accumulator times factor, [N]",
      format: float16,
      shape: [rows],
      values: Float32Array.from(places, (row) => dequantized[row]),
    },
  ]);
  return [
    { name: "input", what: "the token, [K]", format: float32, shape: [columns], values: x },
    {
      name: "token-scale",
      what: "127 / max|x|: codes a unit of input",
      format: float32,
      shape: [1],
      values: [token.scale],
    },
    {
      name: "token-codes",
      what: "the token as INT8, [K]",
      format: signed(8),
      shape: [columns],
      values: token.codes,
    },
    {
      name: "table-entries",
      what: "signed sums of three codes, [K / 3, 27]; codes beyond K are 0",
      format: signed(10),
      shape: [tables.length / 27, 27],
      values: tables,
    },
    ...ofPlanes,
    {
      name: "output",
      what: "the planes added, [N], in the model's order",
      format: float16,
      shape: [rows],
      values: output,
    },
  ];
}
