import type { Tl1Layout } from "./layout.js";
import { places, type Run } from "./lookups.js";

/**
 * TL1's indices (`process_tl1` of utils/convert-hf-to-gguf-bitnet.py): two weights a nibble, in the order in which the
 * kernel of utils/codegen_tl1.py loads them. README.md draws them.
 */
export function tl1Run(rows: number, columns: number, layout: Tl1Layout): Run {
  const byteOf = places(rows, columns / 2, (row, pair) => byteAt(row, 2 * pair, columns, layout));
  return {
    weights: 2,
    firstInput: 0,
    inputs: columns,
    blockInputs: layout.tileInputs,
    highBytesFirst: true,
    read(bytes, row, group) {
      const byte = bytes[byteOf(row, group)];
      return group % 2 === 0 ? byte >> 4 : byte & 15;
    },
    write(bytes, row, group, code) {
      bytes[byteOf(row, group)] |= group % 2 === 0 ? code << 4 : code;
    },
  };
}

/** Bytes of all indices. */
export function tl1Bytes(rows: number, columns: number): number {
  return (rows * columns) / 4;
}

/** From the outside in: tiles of rows, tiles of inputs, strips, steps along K, sixteens of rows, fours of inputs, lanes. */
function byteAt(row: number, input: number, columns: number, layout: Tl1Layout): number {
  const { tileRows, tileInputs, stripRows } = layout;
  const stepInputs = 256 / stripRows;
  const tile = Math.floor(row / tileRows) * (columns / tileInputs) + Math.floor(input / tileInputs);
  const strip = tile * (tileRows / stripRows) + Math.floor((row % tileRows) / stripRows);
  const step = strip * (tileInputs / stepInputs) + Math.floor((input % tileInputs) / stepInputs);
  const sixteen = step * (stripRows / 16) + Math.floor((row % stripRows) / 16);
  const four = sixteen * (stepInputs / 4) + Math.floor((input % stepInputs) / 4);
  return four * 16 + (row % 16);
}
