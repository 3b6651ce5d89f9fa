import { fusedMultiplyAdd } from "../../tensor/float.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import {
  type Geometry,
  inputsPerTable,
  type Pass,
  scalePlace,
  selectorByte,
  selectorShift,
} from "./layout.js";
import { buildTables, entriesPerTable, type Tables } from "./tables.js";

/*
 * LUT Tensor Core's product, bit-serial over planes (arXiv 2408.06003). What the paper leaves open, widths,
 * roundings and where scales are applied, is chosen in README.md.
 */

/** How a pass is computed: its layout and how far a weight scale reaches. */
export interface Shape extends Geometry {
  readonly group: number;
  readonly oneScale: boolean;
}

/** Outputs `[tokens, N]`: the passes' outputs added in float32, in their order. */
export function multiply(input: Matrix, passes: readonly Pass[], shape: Shape): Matrix {
  const out = matrix(input.rows, shape.rows);
  for (let token = 0; token < input.rows; token++) {
    const x = input.data.subarray(token * input.columns, (token + 1) * input.columns);
    const tables = buildTables(x, shape.group, shape);
    const outputs = passes.map((pass) => passOutputs(tables, pass, shape));
    out.data.set(addPasses(outputs), token * shape.rows);
  }
  return out;
}

/** `[N]`: the outputs of several passes added in their order. */
export function addPasses([first, ...rest]: readonly Float32Array[]): Float32Array {
  const out = first.slice();
  for (const outputs of rest) {
    for (let output = 0; output < out.length; output++) out[output] += outputs[output];
  }
  return out;
}

/** What arises inside a pass. */
export interface Inside {
  /** `[N, K / tableGroup]`: integer sums of lookups over planes and the tables of a scale. */
  readonly partialSums: Int32Array;
  /** `[N, K / group]`: sums over a weight group, before the zero point's share is taken off. */
  readonly groupSums: Float32Array | Int32Array;
  /** `[N, K / group]`: and after. */
  readonly centredSums: Float32Array | Int32Array;
}

/** `[N]` outputs of one pass. What arises on the way is written into `inside` where it is asked for. */
export function passOutputs(tables: Tables, pass: Pass, shape: Shape, inside?: Inside): Float32Array {
  const { rows, columns, group, tableGroup } = shape;
  const groups = columns / group;
  const out = new Float32Array(rows);
  for (let output = 0; output < rows; output++) {
    let y = 0;
    for (let at = 0; at < groups; at++) {
      let sum = 0;
      for (let input = at * group; input < (at + 1) * group; input += tableGroup) {
        const run = input / tableGroup;
        const lookups = lookUp(tables.entries, pass.selectors, output, input, shape);
        sum = tables.scales ? fusedMultiplyAdd(lookups, tables.scales[run], sum) : lookups;
        if (inside) inside.partialSums[output * (columns / tableGroup) + run] = lookups;
      }
      const place = shape.oneScale ? 0 : scalePlace(output, at, groups, shape.tileOutputs);
      const zeroPoint = pass.zeroPoints ? pass.zeroPoints[place] : 1;
      const centred = tables.scales
        ? fusedMultiplyAdd(-zeroPoint, tables.inputSums[at], sum)
        : sum - zeroPoint * tables.inputSums[at];
      if (inside) {
        inside.groupSums[output * groups + at] = sum;
        inside.centredSums[output * groups + at] = centred;
      }
      y = fusedMultiplyAdd(Math.fround(centred), pass.scales[place], y);
    }
    out[output] = tables.scales ? y : Math.fround(y * tables.tokenUnit);
  }
  return out;
}

/** Σ 2^p · (±entry) over the planes p and the tables of `tableGroup` inputs from `first` on. */
function lookUp(
  entries: Int32Array,
  selectors: Uint8Array,
  output: number,
  first: number,
  shape: Shape,
): number {
  let sum = 0;
  for (let input = first; input < first + shape.tableGroup; input += inputsPerTable) {
    const table = (input / inputsPerTable) * entriesPerTable;
    for (let plane = 0; plane < shape.bits; plane++) {
      const selector = selectors[selectorByte(output, input, plane, shape)] >> selectorShift(output);
      const entry = entries[table + (selector & 7)];
      sum += (selector & 8 ? -entry : entry) * 2 ** plane;
    }
  }
  return sum;
}
