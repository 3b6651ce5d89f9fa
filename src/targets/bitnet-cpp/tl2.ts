import type { Tl2Layout } from "./layout.js";
import { places, type Run } from "./lookups.js";

/*
 * TL2's indices (`preprocess_weights_tl2` of utils/convert-hf-to-gguf-bitnet.py), in the order in which the kernel of
 * utils/codegen_tl2.py loads them: nibbles of three weights, then their signs, then nibbles of two weights for the inputs
 * that make no whole tile. README.md draws them.
 */

const stripRows = 32;
const pairBlock = 32;

/** The runs of a linear: threes, and twos where K is no whole tiles. */
export function tl2Runs(rows: number, columns: number, layout: Tl2Layout): readonly Run[] {
  const threes = columns - (columns % layout.tileInputs);
  const runs = [tripleRun(rows, threes, layout)];
  return threes === columns ? runs : [...runs, pairRun(rows, columns, threes, layout)];
}

/**
 * Bytes of the whole tensor, as converter and kernel compute them: five bits for three inputs, and four for two of the last
 * 256, with zeros where fewer are looked up in twos.
 */
export function tl2Bytes(rows: number, columns: number): number {
  return Math.floor((Math.floor(((columns - 256) * rows) / 3) * 5) / 8) + 64 * rows;
}

function tripleRun(rows: number, columns: number, layout: Tl2Layout): Run {
  const { tileInputs } = layout;
  const signsAt = (rows * columns) / 6;

  /** The byte of a triple and its neighbour, a nibble each. */
  const byteOf = places(rows, columns / 3, (row, triple) => {
    const input = 3 * triple;
    const step =
      stripOf(row, input, columns, layout) * (tileInputs / 6) + Math.floor((input % tileInputs) / 6);
    return step * stripRows + laneOf(row);
  });

  /** The bit of a triple's sign: row r and row r + 16 share a 16-bit word for eight triples. */
  const bitOf = places(rows, columns / 3, (row, triple) => {
    const input = 3 * triple;
    const step =
      stripOf(row, input, columns, layout) * (tileInputs / 24) + Math.floor((input % tileInputs) / 24);
    const word = step * 16 + (row % 16);
    return 8 * signsAt + 16 * word + 15 - 2 * (triple % 8) - Math.floor((row % stripRows) / 16);
  });

  return {
    weights: 3,
    firstInput: 0,
    inputs: columns,
    blockInputs: tileInputs,
    highBytesFirst: false,
    read(bytes, row, group) {
      const byte = bytes[byteOf(row, group)];
      const magnitude = group % 2 === 0 ? byte >> 4 : byte & 15;
      const bit = bitOf(row, group);
      return (bytes[Math.floor(bit / 8)] >> (bit % 8)) & 1 ? -magnitude : magnitude;
    },
    write(bytes, row, group, code) {
      const magnitude = Math.abs(code);
      bytes[byteOf(row, group)] |= group % 2 === 0 ? magnitude << 4 : magnitude;
      const bit = bitOf(row, group);
      if (code < 0) bytes[Math.floor(bit / 8)] |= 1 << (bit % 8);
    },
  };
}

function pairRun(rows: number, columns: number, firstInput: number, { tileRows }: Tl2Layout): Run {
  const inputs = columns - firstInput;
  const start = (rows * firstInput * 5) / 24;

  /** The byte of a pair and its neighbour, a nibble each; tiles have 32 inputs here. */
  const byteOf = places(rows, inputs / 2, (row, pair) => {
    const strip = stripOf(row, 2 * pair, inputs, { tileRows, tileInputs: pairBlock });
    const step = strip * (pairBlock / 4) + Math.floor(((2 * pair) % pairBlock) / 4);
    return start + step * stripRows + laneOf(row);
  });

  return {
    weights: 2,
    firstInput,
    inputs,
    blockInputs: pairBlock,
    highBytesFirst: false,
    read(bytes, row, group) {
      const byte = bytes[byteOf(row, group)];
      return group % 2 === 0 ? byte >> 4 : byte & 15;
    },
    write(bytes, row, group, code) {
      bytes[byteOf(row, group)] |= group % 2 === 0 ? code << 4 : code;
    },
  };
}

/** Tiles of rows, tiles of inputs, strips of 32 rows. */
function stripOf(
  row: number,
  input: number,
  columns: number,
  { tileRows, tileInputs }: Pick<Tl2Layout, "tileRows" | "tileInputs">,
): number {
  const tile = Math.floor(row / tileRows) * (columns / tileInputs) + Math.floor(input / tileInputs);
  return tile * (tileRows / stripRows) + Math.floor((row % tileRows) / stripRows);
}

/** Rows 0 to 7, 16 to 23, 8 to 15, 24 to 31: the order that AVX2's byte interleaving turns into that of rows. */
function laneOf(row: number): number {
  const eight = Math.floor((row % stripRows) / 8);
  return 8 * [0, 2, 1, 3][eight] + (row % 8);
}
