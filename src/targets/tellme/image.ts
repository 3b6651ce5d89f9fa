import { numberToFloat16 } from "../../tensor/float.js";
import type { TensorBytes, Tensors } from "../../tensor/tensor.js";
import { damagedPack, tensorOf } from "../target.js";
import { bytesPerWord, indicesPerWord, readIndex, wordsAlong, writeIndex, zeroIndex } from "./layout.js";

/*
 * Three places for the words of a plane (arXiv 2510.15926 §III): one after another, in the packets that come from DDR
 * memory, and in the array of URAM banks. README.md draws them.
 */

/** Where words lie, all sizes settled. */
export type Image = { readonly image: "words" } | { readonly image: "packets" } | UramArray;

/** The array [blocks, slices, outputs] of words, in banks by output. */
export interface UramArray {
  readonly image: "uram";
  /** ⌈d_ffn' / d_model'⌉, the dashed sizes padded to multiples of 84; more where ⌈d_ffn / d_model⌉ is. */
  readonly arrayBlocks: number;
  /** d_model' / 84 */
  readonly arraySlices: number;
  /** d_model */
  readonly arrayOutputs: number;
  /** Q / 2: a bank has two ports. */
  readonly banks: number;
}

/** N, K and the weights of the norm before the linear `[K]`, if any. */
export interface Contents {
  readonly rows: number;
  readonly columns: number;
  readonly norm: Float32Array | null;
}

export const wordsPerPacket = 5;
export const packetBytes = 96;
const bitsPerWord = 140;
const normBit = wordsPerPacket * bitsPerWord;

/** The plane's tensor. `words` are `[⌈K / 84⌉, N, 18]`, rows in the hardware's order. */
export function writeImage(words: Uint8Array, plane: number, contents: Contents, image: Image): Tensors {
  const { rows, columns } = contents;
  switch (image.image) {
    case "words":
      return tensor(`plane${plane}.index`, [wordsAlong(columns), rows, bytesPerWord], words);
    case "packets": {
      const bytes = packetsOf(words, contents.norm);
      return tensor(`plane${plane}.packets`, packetShape(bytes.length / packetBytes), bytes);
    }
    case "uram": {
      const shape = uramShape(contents, image);
      const bytes = zeroWords(shape[0] * shape[1]);
      eachUramWord(contents, image, (from, to) => {
        bytes.set(words.subarray(from, from + bytesPerWord), to);
      });
      return tensor(`plane${plane}.uram`, shape, bytes);
    }
  }
}

/** The words of `writeImage`. @throws LuthierError when the pack lacks them or an index is none of three trits. */
export function readImage(
  tensors: Tensors,
  plane: number,
  contents: Omit<Contents, "norm">,
  image: Image,
): Uint8Array {
  const words = wordsIn(tensors, plane, contents, image);
  for (let word = 0; word < words.length; word += bytesPerWord) {
    for (let t = 0; t < indicesPerWord; t++) {
      if (readIndex(words, word, t) <= 26) continue;
      const found = `index ${t} of word ${word / bytesPerWord} of plane ${plane}`;
      throw damagedPack(`${found} is ${readIndex(words, word, t)}, three trits reach 26`);
    }
  }
  return words;
}

function wordsIn(
  tensors: Tensors,
  plane: number,
  { rows, columns }: Omit<Contents, "norm">,
  image: Image,
): Uint8Array {
  const count = wordsAlong(columns) * rows;
  const bytesOf = (name: string, shape: readonly number[]) =>
    tensorOf(tensors, `plane${plane}.${name}`, "U8", shape).bytes;
  switch (image.image) {
    case "words":
      return bytesOf("index", [wordsAlong(columns), rows, bytesPerWord]);
    case "packets": {
      // A norm may need more packets than the words do.
      const least = Math.ceil(count / wordsPerPacket);
      const name = `plane${plane}.packets`;
      const found = Object.hasOwn(tensors, name) ? tensors[name].shape[0] : 0;
      return wordsOfPackets(bytesOf("packets", packetShape(Math.max(least, found))), count);
    }
    case "uram": {
      const bytes = bytesOf("uram", uramShape({ rows, columns }, image));
      const words = new Uint8Array(count * bytesPerWord);
      eachUramWord({ rows, columns }, image, (to, from) => {
        words.set(bytes.subarray(from, from + bytesPerWord), to);
      });
      return words;
    }
  }
}

/** What of the array a linear fills, or why it does not lie in it. */
export function uramBlocks(
  { rows, columns }: Omit<Contents, "norm">,
  { arrayBlocks, arraySlices, arrayOutputs }: UramArray,
): number | string {
  const along = Math.ceil(wordsAlong(columns) / arraySlices);
  const across = Math.ceil(rows / arrayOutputs);
  const blocks = Math.max(along, across);
  const array = `the URAM array of ${arrayBlocks} blocks of ${arraySlices * 84} inputs × ${arrayOutputs} outputs`;
  if (along > 1 && across > 1)
    return `its ${columns} inputs and its ${rows} outputs are both beyond a block of ${array}`;
  return blocks <= arrayBlocks
    ? blocks
    : `its ${columns} inputs × ${rows} outputs need ${blocks} blocks of ${array}`;
}

/** `[banks, words of a bank, 18]`: as many blocks as the linear fills. */
function uramShape(contents: Omit<Contents, "norm">, array: UramArray): readonly number[] {
  const { arraySlices, arrayOutputs, banks } = array;
  const blocks = Number(uramBlocks(contents, array));
  return [banks, blocks * arraySlices * Math.ceil(arrayOutputs / banks), bytesPerWord];
}

/**
 * Bytes where the word of slice c and output n begins, among the words and in the image. Its block is ⌊c / slices⌋ (down
 * projection) or ⌊n / outputs⌋ (gate and up), so 0 for all others.
 */
function eachUramWord(
  { rows, columns }: Omit<Contents, "norm">,
  array: UramArray,
  visit: (word: number, at: number) => void,
): void {
  const { arraySlices, arrayOutputs, banks } = array;
  const [, depth] = uramShape({ rows, columns }, array);
  for (let slice = 0; slice < wordsAlong(columns); slice++) {
    for (let row = 0; row < rows; row++) {
      const x = Math.floor(slice / arraySlices) + Math.floor(row / arrayOutputs);
      const [y, z] = [slice % arraySlices, row % arrayOutputs];
      const address = (x * arraySlices + y) * Math.ceil(arrayOutputs / banks) + Math.floor(z / banks);
      visit((slice * rows + row) * bytesPerWord, ((z % banks) * depth + address) * bytesPerWord);
    }
  }
}

/** Packets `[…, 3, 32]`: beats of the three 256-bit ports. */
function packetShape(packets: number): readonly number[] {
  return [packets, 3, 32];
}

function packetsOf(words: Uint8Array, norm: Float32Array | null): Uint8Array {
  const count = words.length / bytesPerWord;
  const packets = Math.max(Math.ceil(count / wordsPerPacket), norm?.length ?? 0);
  const padded = zeroWords(packets * wordsPerPacket);
  padded.set(words);
  const out = new Uint8Array(packets * packetBytes);
  for (let packet = 0; packet < packets; packet++) {
    const bits = out.subarray(packet * packetBytes, (packet + 1) * packetBytes);
    for (let i = 0; i < wordsPerPacket; i++) {
      const word = (packet * wordsPerPacket + i) * bytesPerWord;
      putBits(bits, i * bitsPerWord, padded.subarray(word, word + bytesPerWord), bitsPerWord);
    }
    const weight = numberToFloat16(norm?.[packet] ?? 0);
    putBits(bits, normBit, Uint8Array.of(weight & 255, weight >> 8), 16);
  }
  return out;
}

function wordsOfPackets(packets: Uint8Array, count: number): Uint8Array {
  const words = new Uint8Array(count * bytesPerWord);
  for (let i = 0; i < count; i++) {
    const first = Math.floor(i / wordsPerPacket) * packetBytes * 8 + (i % wordsPerPacket) * bitsPerWord;
    for (let bit = 0; bit < bitsPerWord; bit++) {
      const set = (packets[(first + bit) >> 3] >> ((first + bit) & 7)) & 1;
      words[i * bytesPerWord + (bit >> 3)] |= set << (bit & 7);
    }
  }
  return words;
}

/** Bits 0 … count − 1 of `value`, little-endian, at bit `first` of zero bits. */
function putBits(out: Uint8Array, first: number, value: Uint8Array, count: number): void {
  for (let bit = 0; bit < count; bit++) {
    const set = (value[bit >> 3] >> (bit & 7)) & 1;
    out[(first + bit) >> 3] |= set << ((first + bit) & 7);
  }
}

/** Words of zero weights. */
function zeroWords(count: number): Uint8Array {
  const words = new Uint8Array(count * bytesPerWord);
  for (let t = 0; t < indicesPerWord; t++) writeIndex(words, 0, t, zeroIndex);
  for (let word = 1; word < count; word++) words.copyWithin(word * bytesPerWord, 0, bytesPerWord);
  return words;
}

function tensor(name: string, shape: readonly number[], bytes: Uint8Array): Record<string, TensorBytes> {
  return { [name]: { dtype: "U8", shape, bytes } };
}
