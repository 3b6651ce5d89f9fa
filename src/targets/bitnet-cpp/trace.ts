import { matrix } from "../../tensor/matrix.js";
import type { Signal, SignalFormat } from "../signal.js";
import { refuseUnsound } from "../target.js";
import { type I2sSteps, type TableSteps, tokenSteps } from "./arithmetic.js";
import type { Lookups } from "./lookups.js";
import type { PackedWeight } from "./weight.js";

const float32 = { kind: "float", bits: 32 } as const;
const signed = (bits: number): SignalFormat => ({ kind: "signed", bits });

/** Every array of one token's product, in the order in which they arise. */
export function traceToken(x: Float32Array, weight: PackedWeight): readonly Signal[] {
  const { rows, columns } = weight;
  const { token, sums, output } = tokenSteps(x, weight);
  refuseUnsound(matrix(1, columns, x), matrix(1, rows, output));
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
    ...("lookups" in sums ? ofTables(sums, rows) : ofCodes(sums, rows)),
    {
      name: "output",
      what: "accumulator / token scale · weight scale, [N]",
      format: float32,
      shape: [rows],
      values: output,
    },
  ];
}

function ofCodes({ tokenSum, accumulators }: I2sSteps, rows: number): Signal[] {
  return [
    {
      name: "token-sum",
      what: "the sum of the token's codes, which every accumulator has too much",
      format: signed(32),
      shape: [1],
      values: [tokenSum],
    },
    {
      name: "accumulators",
      what: "INT32 sums over K of weight code (0, 1, 2) times token code, [N]",
      format: signed(32),
      shape: [rows],
      values: accumulators,
    },
  ];
}

function ofTables({ lookups, accumulators }: TableSteps, rows: number): Signal[] {
  return [
    ...lookups.flatMap((run) => ofRun(run, rows)),
    {
      name: "accumulators",
      what: "INT32 sums of all blocks, [N]",
      format: signed(32),
      shape: [rows],
      values: accumulators,
    },
  ];
}

function ofRun({ run, tables, sums }: Lookups, rows: number): Signal[] {
  const name = run.weights === 2 ? "pair" : "triple";
  const from = run.firstInput === 0 ? "" : ` from input ${run.firstInput} on`;
  const halves = run.highBytesFirst ? "high bytes, then low bytes" : "low bytes, then high bytes";
  return [
    {
      name: `${name}-tables`,
      what: `INT16 sums of ${run.weights} codes${from}, as the ${halves} of 16 entries, [${name}, 2, 16]`,
      format: { kind: "unsigned", bits: 8 },
      shape: [tables.length / 32, 2, 16],
      perWord: 16,
      values: tables,
    },
    {
      name: `${name}-sums`,
      what: `INT16 sums of the table entries of ${run.blockInputs} inputs${from}, [block, N]`,
      format: signed(16),
      shape: [sums.length / rows, rows],
      values: sums,
    },
  ];
}
