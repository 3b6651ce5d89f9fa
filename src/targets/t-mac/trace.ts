import { matrix } from "../../tensor/matrix.js";
import type { Signal, SignalFormat } from "../signal.js";
import { refuseUnsound } from "../target.js";
import { type PassShape, tokenSteps } from "./arithmetic.js";
import type { Pass } from "./layout.js";

const signed = (bits: number): SignalFormat => ({ kind: "signed", bits });

/** Every array of one token's product, in the order in which they arise. */
export function traceToken(token: Float32Array, passes: readonly Pass[], shape: PassShape): Signal[] {
  const steps = tokenSteps(token, passes, shape);
  const { rows, columns, bits, activationGroup, scalesLast } = shape;
  refuseUnsound(matrix(1, columns, token), matrix(1, rows, steps.output));
  const float: SignalFormat = { kind: "float", bits: shape.float === "float32" ? 32 : 16 };
  const groups = columns / activationGroup;
  const expanded = rows * bits;
  const group = scalesLast ? "K" : activationGroup;
  const ofPasses = steps.passes.flatMap(({ lookups, accumulators, outputs }, pass): Signal[] => [
    {
      name: `pass${pass}-lookups`,
      what: `${lookupsOf(shape)} of the ${activationGroup / 4} table entries of an activation group, [K / ${group}, expanded row]`,
      format: signed(scalesLast ? 32 : shape.aggregation === "fast" ? 8 : 16),
      shape: [groups, expanded],
      values: lookups,
    },
    ...(accumulators
      ? [
          {
            name: `pass${pass}-accumulators`,
            what: "scaled sums over K of every bit plane, [expanded row]",
            format: float,
            shape: [expanded],
            values: accumulators,
          },
        ]
      : []),
    {
      name: `pass${pass}-outputs`,
      what: "the pass's planes joined, ½, 1, 2, 4 times, [N]",
      format: float,
      shape: [rows],
      values: outputs,
    },
  ]);
  return [
    { name: "input", what: "the token, [K]", format: float, shape: [columns], values: steps.input },
    {
      name: "table-entries",
      what: "INT8 signed sums of four inputs, [K / 4, 16]",
      format: signed(8),
      shape: [columns / 4, 16],
      values: steps.tables.entries,
    },
    {
      name: "table-scales",
      what: `what a unit of a table entry stands for, [K / ${group}]`,
      format: float,
      shape: [groups],
      values: steps.tables.scales,
    },
    {
      name: "table-biases",
      what: `the negated sum of an activation group's inputs, [K / ${group}]`,
      format: float,
      shape: [groups],
      values: steps.tables.biases,
    },
    ...ofPasses,
    { name: "output", what: "the passes added, [N]", format: float, shape: [rows], values: steps.output },
  ];
}

function lookupsOf({ scalesLast, aggregation }: PassShape): string {
  if (scalesLast) return "INT32 sums";
  return aggregation === "fast" ? "INT8 rounded averages" : "INT16 sums";
}
