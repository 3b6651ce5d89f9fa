import { fusedMultiplyAdd } from "../../tensor/float.js";
import { type Matrix, matrix } from "../../tensor/matrix.js";
import { inputsPerIndex, type Layout, type Pass } from "./layout.js";
import { lookUp } from "./lookups.js";
import { processors } from "./processor.js";
import { buildTables, type Tables } from "./tables.js";

/*
 * T-MAC's arithmetic, step by step as its intrinsics do it (microsoft/T-MAC, python/t_mac/intrins/lut_ctor.cc and
 * tbl.cc), with fused multiply-adds where the source has them. README.md writes the steps out.
 */

/** How a pass is computed: its layout and how far a weight scale reaches. */
export interface PassShape extends Omit<Layout, "activationGroup"> {
  readonly rows: number;
  readonly columns: number;
  readonly group: number;
  readonly hasZeros: boolean;
  readonly oneScale: boolean;
  /** Inputs that share one table scale: K when a token has one. */
  readonly activationGroup: number;
  /** One table scale a token and one weight scale a tensor: lookups are summed as integers over all of K. */
  readonly scalesLast: boolean;
}

/** What one token's product goes through. */
export interface TokenSteps {
  /** `[K]`, in the processor's float format. */
  readonly input: Float32Array;
  readonly tables: Tables;
  readonly passes: readonly PassSteps[];
  /** `[N]`: the passes' outputs added in their order. */
  readonly output: Float32Array;
}

export interface PassSteps {
  /**
   * `[K / activationGroup, N · bits]`: sums of table entries by group and expanded row, INT16; their rounded averages,
   * INT8, with fast aggregation; INT32 when scales come last.
   */
  readonly lookups: Int16Array | Int32Array;
  /** `[N · bits]`, by expanded row: scaled sums over K. Null when scales come last. */
  readonly accumulators: Float32Array | null;
  /** `[N]` */
  readonly outputs: Float32Array;
}

/** Outputs `[tokens, N]`. */
export function multiply(input: Matrix, passes: readonly Pass[], shape: PassShape): Matrix {
  const out = matrix(input.rows, shape.rows);
  for (let token = 0; token < input.rows; token++) {
    const x = input.data.subarray(token * input.columns, (token + 1) * input.columns);
    out.data.set(tokenSteps(x, passes, shape).output, token * shape.rows);
  }
  return out;
}

/** One token's product with everything on the way. */
export function tokenSteps(x: Float32Array, passes: readonly Pass[], shape: PassShape): TokenSteps {
  const processor = processors[shape.float];
  const input = x.map(processor.round);
  const tables = buildTables(input, shape.activationGroup, processor);
  const steps = passes.map((pass) => passSteps(tables, pass, shape));
  const output = steps[0].outputs.slice();
  for (const { outputs } of steps.slice(1))
    for (let m = 0; m < output.length; m++) output[m] = processor.round(output[m] + outputs[m]);
  return { input, tables, passes: steps, output };
}

/** One pass: 8 or 16 lookups at a time joined as integers, everything else in floating point. */
function passSteps(tables: Tables, pass: Pass, shape: PassShape): PassSteps {
  const expandedRows = shape.rows * shape.bits;
  if (shape.scalesLast) {
    const lookups = new Int32Array(expandedRows);
    eachBlock(pass, shape, (row, block, bytes) => {
      const entries = tables.entries.subarray(block * 16);
      lookUp(bytes, entries, shape.kFactor, "exact", lookups.subarray(row, row + 32));
    });
    return { lookups, accumulators: null, outputs: scaleSums(lookups, tables, pass, shape) };
  }
  const lookups = new Int16Array((shape.columns / shape.activationGroup) * expandedRows);
  const accumulators = new Float32Array(expandedRows);
  eachBlock(pass, shape, (row, block, bytes) => {
    addBlock({ lookups, accumulators }, row, block, bytes, tables, pass, shape);
  });
  const { round } = processors[shape.float];
  const outputs = joinPlanes(accumulators, shape.bits).map(round);
  return { lookups, accumulators, outputs };
}

/** Visits the file's runs of `kFactor` indices of 32 expanded rows, of each output in the order of K. */
function eachBlock(
  { weight }: Pass,
  { rows, columns, bits, kFactor, tileRows }: PassShape,
  visit: (row: number, block: number, bytes: Uint8Array) => void,
): void {
  let at = 0;
  for (let tile = 0; tile < rows * bits; tile += tileRows) {
    for (let block = 0; block < columns / inputsPerIndex; block += kFactor) {
      for (let row = tile; row < tile + tileRows; row += 32) {
        visit(row, block, weight.subarray(at, at + kFactor * 16));
        at += kFactor * 16;
      }
    }
  }
}

/** Adds `kFactor` indices to 32 expanded rows from `row` on. */
function addBlock(
  { lookups, accumulators }: { readonly lookups: Int16Array; readonly accumulators: Float32Array },
  row: number,
  block: number,
  bytes: Uint8Array,
  tables: Tables,
  pass: Pass,
  shape: PassShape,
): void {
  const { round, fusedMultiplyAdd } = processors[shape.float];
  const perGroup = shape.activationGroup / inputsPerIndex;
  const sums = new Float32Array(32);
  let bias = 0;
  for (let first = 0; first < shape.kFactor; first += perGroup) {
    const group = (block + first) / perGroup;
    const found = lookups.subarray(group * accumulators.length + row).subarray(0, 32);
    const entries = tables.entries.subarray((block + first) * 16);
    lookUp(bytes.subarray(first * 16), entries, perGroup, shape.aggregation, found);
    bias = round(bias + tables.biases[group]);
    const { unit, offset } = groupScale(tables, group, perGroup, shape);
    for (let lane = 0; lane < 32; lane++) {
      const scaled =
        bitPlane(row + lane, shape.bits) === 0
          ? fusedMultiplyAdd(found[lane], unit, offset)
          : round(found[lane] * unit);
      sums[lane] = first === 0 ? scaled : round(sums[lane] + scaled);
    }
  }
  for (let lane = 0; lane < 32; lane++) {
    const at = scalePlace(row + lane, block * inputsPerIndex, shape);
    const accumulator = fusedMultiplyAdd(sums[lane], pass.scales[at], accumulators[row + lane]);
    accumulators[row + lane] = accumulator;
    if (shape.hasZeros && bitPlane(row + lane, shape.bits) === 0) {
      const zero = pass.scales[at + 8];
      accumulators[row + lane] = fusedMultiplyAdd(zero, round(2 * bias), accumulator);
    }
  }
}

/**
 * What a unit of a group's lookups stands for, and what plane 0 adds. An average is worth as many entries as it joins.
 * Rounding halves up lifts it by a quarter a level, log₂(count) / 4 in all (arXiv 2106.10860 §4.4); the source takes
 * that off plane 0 for all planes, as a whole number: 1 of 16 lookups, 0 of 8.
 */
function groupScale(tables: Tables, group: number, count: number, { bits, aggregation, float }: PassShape) {
  const [unit, offset] = [tables.scales[group], tables.biases[group]];
  if (aggregation === "exact") return { unit, offset };
  const { round } = processors[float];
  const unitOfAverage = round(unit * count);
  const lift = Math.floor(Math.log2(count) / 4) * (2 ** bits - 1);
  return { unit: unitOfAverage, offset: round(Math.fround(offset - unitOfAverage * lift)) };
}

function bitPlane(expandedRow: number, bits: number): number {
  return Math.floor(expandedRow / 8) % bits;
}

/** Where the scale of an expanded row and an input lies; its zero is eight further. */
function scalePlace(expandedRow: number, input: number, shape: PassShape): number {
  if (shape.oneScale) return 0;
  const { bits, tileRows, group, columns, hasZeros } = shape;
  const tile = Math.floor(expandedRow / tileRows);
  const eightsPerTile = tileRows / bits / 8;
  const eight = Math.floor((expandedRow % tileRows) / (8 * bits));
  const eights = (tile * (columns / group) + Math.floor(input / group)) * eightsPerTile + eight;
  return eights * (hasZeros ? 16 : 8) + (expandedRow % 8);
}

/** `y = (Σ α_i · sum_i · S + B / 2) · s`, where S and B are the token's and s the tensor's. */
function scaleSums(sums: Int32Array, { scales, biases }: Tables, pass: Pass, shape: PassShape): Float32Array {
  const { round } = processors[shape.float];
  const offset = round(biases[0] * 0.5);
  return joinPlanes(Float32Array.from(sums), shape.bits).map((sum) =>
    round(Math.fround(fusedMultiplyAdd(sum, scales[0], offset) * pass.scales[0])),
  );
}

/** `½C₀ + C₁ + 2C₂ + 4C₃` of every output, added in that order in float32 on either processor. */
function joinPlanes(accumulators: Float32Array, bits: number): Float32Array {
  const out = new Float32Array(accumulators.length / bits);
  for (let m = 0; m < out.length; m++) {
    const first = Math.floor(m / 8) * 8 * bits + (m % 8);
    let sum = Math.fround(accumulators[first] * 0.5); // inexact where C₀ is subnormal
    for (let bit = 1; bit < bits; bit++)
      sum = Math.fround(sum + accumulators[first + 8 * bit] * 2 ** (bit - 1));
    out[m] = sum;
  }
  return out;
}
