import { tableOf } from "../../schemes/vectors.js";
import type { Signal, SignalFormat } from "../signal.js";
import { tokenSteps } from "./arithmetic.js";
import { lanes, sumBits } from "./layout.js";
import type { TabledScheme } from "./tabled.js";

const float32 = { kind: "float", bits: 32 } as const;
const unsigned = (bits: number): SignalFormat => ({ kind: "unsigned", bits });

/** Every array of one token's product, in the order in which they arise. */
export function traceToken(x: Float32Array, weight: TabledScheme): readonly Signal[] {
  const { rows, columns, blocks, centroids, table } = weight;
  const steps = tokenSteps(x, tableOf(weight));
  const positions = steps.inputIds.length;
  const { rowSum, accumulator } = sumBits[table.bits];
  return [
    { name: "input", what: "the token, [K]", format: float32, shape: [columns], values: x },
    {
      name: "input-ids",
      what: "the nearest centroid of each position, the first of equals, [P]",
      format: unsigned(6),
      shape: [positions],
      values: steps.inputIds,
    },
    {
      name: "table-rows",
      what: "the entries that each position's centroid has with those of the weights, [P, block, 16]",
      format: unsigned(table.bits),
      shape: [positions, blocks, centroids],
      perWord: centroids,
      values: steps.tableRows,
    },
    {
      name: "row-sums",
      what: "sums over the chain of 16 lanes, [P / 16, N]",
      format: unsigned(rowSum),
      shape: [positions / lanes, rows],
      values: steps.rowSums,
    },
    {
      name: "accumulators",
      what: "the accumulators after each row of lanes; the last ones are the sums over P, [P / 16, N]",
      format: unsigned(accumulator),
      shape: [positions / lanes, rows],
      values: steps.accumulators,
    },
    {
      name: "scaled",
      what: "the last accumulators times the scale, [N]",
      format: float32,
      shape: [rows],
      values: steps.scaled,
    },
    {
      name: "output",
      what: "less the bias, [N], in the model's order",
      format: float32,
      shape: [rows],
      values: steps.output,
    },
  ];
}
