import { matrix } from "../../tensor/matrix.js";
import type { Signal, SignalFormat } from "../signal.js";
import { refuseUnsound } from "../target.js";
import { addPasses, type Inside, passOutputs, type Shape } from "./arithmetic.js";
import { type InputFormat, inputsPerTable, type Pass } from "./layout.js";
import { buildTables, entriesPerTable } from "./tables.js";

/**
 * Every array of one token's product `[K]` → `[N]`, in the order in which they arise.
 * @throws LuthierError when an input is not finite, or too large for its format.
 */
export function traceProduct(x: Float32Array, passes: readonly Pass[], shape: Shape): readonly Signal[] {
  const { rows, columns, group, tableGroup, input, bits } = shape;
  const tables = buildTables(x, group, shape);
  const tableShape = [columns / inputsPerTable, entriesPerTable];
  const exact = tables.scales === null;
  const signals: Signal[] = [
    signal("input", "inputs as the model computes them, [K]", float32, [columns], x),
    signal("rounded-input", `inputs as ${input}, [K]`, formatOf[input], [columns], tables.inputs),
  ];
  if (exact) {
    const unit = Float32Array.of(tables.tokenUnit);
    signals.push(signal("token-unit", "what a code of the token stands for, [1]", float32, [1], unit));
  }
  if (tables.sums) {
    const what = "sums of four inputs with the last one subtracted, [K / 4, 8]";
    signals.push(signal("table-sums", what, float32, tableShape, tables.sums));
  }
  if (tables.scales) {
    const what = `what an entry's unit stands for, [K / ${tableGroup}]`;
    signals.push(signal("table-scales", what, float32, [tables.scales.length], tables.scales));
  }
  const entryFormat = signed(exact ? signedBits(inputsPerTable * largestOf[input]) : 8);
  signals.push(
    signal("table-entries", "half tables, [K / 4, 8]", entryFormat, tableShape, tables.entries),
    signal(
      "input-sums",
      "sums of a weight group's inputs, [K / group]",
      exact ? signed(32) : float32,
      [tables.inputSums.length],
      tables.inputSums,
    ),
  );
  const runs = columns / tableGroup;
  const groups = columns / group;
  const lookupBits = signedBits((127 * (2 ** bits - 1) * tableGroup) / inputsPerTable);
  const sumFormat = exact ? signed(32) : float32;
  const outputs: Float32Array[] = [];
  for (const [index, pass] of passes.entries()) {
    const sums = () => (exact ? new Int32Array(rows * groups) : new Float32Array(rows * groups));
    const inside: Inside = {
      partialSums: new Int32Array(rows * runs),
      groupSums: sums(),
      centredSums: sums(),
    };
    outputs.push(passOutputs(tables, pass, shape, inside));
    const add = (
      name: string,
      what: string,
      format: SignalFormat,
      axes: number[],
      values: ArrayLike<number>,
    ) => signals.push(signal(`pass${index}-${name}`, what, format, axes, values));
    const lookups = `lookups summed over planes and ${tableGroup} inputs, [N, K / ${tableGroup}]`;
    add("partial-sums", lookups, signed(exact ? 32 : lookupBits), [rows, runs], inside.partialSums);
    add(
      "group-sums",
      "sums over a weight group, [N, K / group]",
      sumFormat,
      [rows, groups],
      inside.groupSums,
    );
    add(
      "centred-sums",
      "the same less zero point times input sum, [N, K / group]",
      sumFormat,
      [rows, groups],
      inside.centredSums,
    );
    add("output", "outputs of the pass, [N]", float32, [rows], outputs[index]);
  }
  const output = addPasses(outputs);
  refuseUnsound(matrix(1, columns, x), matrix(1, rows, output));
  signals.push(signal("output", "the passes' outputs added, [N]", float32, [rows], output));
  return signals;
}

const float32: SignalFormat = { kind: "float", bits: 32 };

/** FP8 values are shown as float16, which holds all of them. */
const formatOf: Record<InputFormat, SignalFormat> = {
  float16: { kind: "float", bits: 16 },
  e4m3: { kind: "float", bits: 16 },
  e5m2: { kind: "float", bits: 16 },
  int8: signed(8),
  int16: signed(16),
};

/** Largest integer input; float entries are INT8 whatever the input. */
const largestOf: Record<InputFormat, number> = { float16: 0, e4m3: 0, e5m2: 0, int8: 127, int16: 32767 };

function signed(bits: number): SignalFormat {
  return { kind: "signed", bits };
}

/** Bits of a signed field that holds ± `most`. */
function signedBits(most: number): number {
  return Math.ceil(Math.log2(most + 1)) + 1;
}

function signal(
  name: string,
  what: string,
  format: SignalFormat,
  shape: readonly number[],
  values: ArrayLike<number>,
): Signal {
  return { name, what, format, shape, values };
}
