import { damagedPack } from "../target.js";

/** Neighbouring inputs of a linear whose weights are looked up two or three at a time. */
export interface Run {
  readonly weights: 2 | 3;
  readonly firstInput: number;
  readonly inputs: number;
  /** Inputs whose lookups are summed in INT16. */
  readonly blockInputs: number;
  /** A table is 16 bytes and 16 bytes, the halves of its INT16 entries: whether the high ones come first. */
  readonly highBytesFirst: boolean;
  /**
   * The code of the weights of a group in the bytes of the pack: for two weights 3·w₀ + w₁ + 4, the number of their table
   * entry; for three 9·w₀ + 3·w₁ + w₂, whose magnitude is the number of the entry and whose sign negates it.
   */
  read(bytes: Uint8Array, row: number, group: number): number;
  /** Into bytes that were 0 there. */
  write(bytes: Uint8Array, row: number, group: number, code: number): void;
}

/** What is looked up in a run for one token. */
export interface Lookups {
  readonly run: Run;
  /** `[groups, 32]`: the entries' bytes. */
  readonly tables: Uint8Array;
  /** `[blocks, N]`: exact, since a block has at most 256 inputs. */
  readonly sums: Int16Array;
}

/**
 * Makes `placeOf` quick for `rows` and `groups`: in every layout here the digits of the row and those of the group take
 * separate parts in a place, so it is the sum of what each of them gives alone.
 */
export function places(
  rows: number,
  groups: number,
  placeOf: (row: number, group: number) => number,
): (row: number, group: number) => number {
  const origin = placeOf(0, 0);
  const ofRow = Float64Array.from({ length: rows }, (_, row) => placeOf(row, 0) - origin);
  const ofGroup = Float64Array.from({ length: groups }, (_, group) => placeOf(0, group));
  return (row, group) => ofRow[row] + ofGroup[group];
}

/** Code of weights that are all 0. */
const zeroCode = { 2: 4, 3: 0 } as const;

/** The number of weights that are all 1. */
const most = { 2: 4, 3: 13 } as const;

/** Entries of a table that are in use. */
const entries = { 2: 9, 3: 14 } as const;

/** Writes trits `[N, K]`. */
export function writeRun(bytes: Uint8Array, run: Run, trits: Int8Array, rows: number, columns: number): void {
  const { weights, firstInput, inputs } = run;
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group * weights < inputs; group++) {
      let value = 0;
      for (let i = 0; i < weights; i++)
        value = 3 * value + trits[row * columns + firstInput + group * weights + i];
      run.write(bytes, row, group, value + zeroCode[weights]);
    }
  }
}

/** Reads the trits of a run into `[N, K]`. @throws LuthierError when a code is none. */
export function readRun(bytes: Uint8Array, run: Run, trits: Int8Array, rows: number, columns: number): void {
  const { weights, firstInput, inputs } = run;
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group * weights < inputs; group++) {
      const code = run.read(bytes, row, group);
      if (Math.abs(code) >= entries[weights] || Object.is(code, -0)) {
        const which = `inputs ${firstInput + group * weights} to ${firstInput + group * weights + weights - 1}`;
        throw damagedPack(
          `output ${row} has the index ${code} for the ${which}, which no ${weights} trits have`,
        );
      }
      const first = row * columns + firstInput + group * weights;
      let rest = code - zeroCode[weights] + most[weights];
      for (let i = weights - 1; i >= 0; i--, rest = Math.floor(rest / 3)) trits[first + i] = (rest % 3) - 1;
    }
  }
}

/** Builds the tables of a run for one token and looks up all of its weights. */
export function lookUp(bytes: Uint8Array, run: Run, inputs: Int8Array, rows: number): Lookups {
  const tables = buildTables(run, inputs);
  const groupsPerBlock = run.blockInputs / run.weights;
  const groups = run.inputs / run.weights;
  const sums = new Int16Array(Math.ceil(groups / groupsPerBlock) * rows);
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group < groups; group++) {
      const code = run.read(bytes, row, group);
      const entry = readEntry(tables, run, group, Math.abs(code));
      sums[Math.floor(group / groupsPerBlock) * rows + row] += code < 0 ? -entry : entry;
    }
  }
  return { run, tables, sums };
}

/** `[groups, 32]`: entry e holds `Σ trit · x` for the weights of code e; entries that no weights have are 0. */
export function buildTables(run: Run, inputs: Int8Array): Uint8Array {
  const { weights, firstInput, highBytesFirst } = run;
  const tables = new Uint8Array((run.inputs / weights) * 32);
  for (let group = 0; group * 32 < tables.length; group++) {
    for (let entry = 0; entry < entries[weights]; entry++) {
      let sum = 0;
      for (let i = 0; i < weights; i++)
        sum += digit(entry - zeroCode[weights], weights, i) * inputs[firstInput + group * weights + i];
      tables[group * 32 + entry + (highBytesFirst ? 16 : 0)] = sum;
      tables[group * 32 + entry + (highBytesFirst ? 0 : 16)] = sum >> 8;
    }
  }
  return tables;
}

/** An INT16 entry put together from its two bytes. */
function readEntry(tables: Uint8Array, { highBytesFirst }: Run, group: number, entry: number): number {
  const first = tables[group * 32 + entry];
  const second = tables[group * 32 + 16 + entry];
  const [high, low] = highBytesFirst ? [first, second] : [second, first];
  return ((high << 24) >> 16) | low;
}

/** Trit i of `weights` trits whose balanced base-3 number, the first most significant, is `value`. */
function digit(value: number, weights: 2 | 3, i: number): number {
  return (Math.floor((value + most[weights]) / 3 ** (weights - 1 - i)) % 3) - 1;
}
