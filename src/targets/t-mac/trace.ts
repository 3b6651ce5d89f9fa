import { matrix } from "../../tensor/matrix.js";
import type { Signal, SignalFormat } from "../signal.js";
import { refuseUnsound } from "../target.js";
import { type PassShape, tokenSteps } from "./arithmetic.js";
import type { Pass } from "./layout.js";

const float32 = { kind: "float", bits: 32 } as const;
const signed = (bits: number): SignalFormat => ({ kind: "signed", bits });

/** Every array of one token's product, in the order in which they arise. */
export function traceToken(token: Float32Array, passes: readonly Pass[], shape: PassShape): Signal[] {
  const input = matrix(1, shape.columns, token);
  const { tables, passes: steps, output } = tokenSteps(token, passes, shape);
  refuseUnsound(input, matrix(1, shape.rows, output));
  const { rows, columns, bits, activationGroup } = shape;
  const groups = columns / activationGroup;
  const expanded = rows * bits;
  const ofPasses = steps.flatMap(({ lookupSums, accumulators, outputs }, pass): Signal[] => [
    {
      name: `pass${pass}-lookup-sums`,
      what: `INT16 sums of the ${activationGroup / 4} table entries of an activation group, [K / ${activationGroup}, expanded row]`,
      format: signed(16),
      shape: [groups, expanded],
      values: lookupSums,
    },
    {
      name: `pass${pass}-accumulators`,
      what: "scaled sums over K of every bit plane, [expanded row]",
      format: float32,
      shape: [expanded],
      values: accumulators,
    },
    {
      name: `pass${pass}-outputs`,
      what: "the pass's planes joined, ½, 1, 2, 4 times, [N]",
      format: float32,
      shape: [rows],
      values: outputs,
    },
  ]);
  return [
    { name: "input", what: "the token, [K]", format: float32, shape: [columns], values: token },
    {
      name: "table-entries",
      what: "INT8 signed sums of four inputs, [K / 4, 16]",
      format: signed(8),
      shape: [columns / 4, 16],
      values: tables.entries,
    },
    {
      name: "table-scales",
      what: `what a unit of a table entry stands for, [K / ${activationGroup}]`,
      format: float32,
      shape: [groups],
      values: tables.scales,
    },
    {
      name: "table-biases",
      what: `the negated sum of an activation group's inputs, [K / ${activationGroup}]`,
      format: float32,
      shape: [groups],
      values: tables.biases,
    },
    ...ofPasses,
    { name: "output", what: "the passes added, [N]", format: float32, shape: [rows], values: output },
  ];
}
