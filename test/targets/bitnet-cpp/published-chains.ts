/*
 * The reshapes and transpositions by which utils/convert-hf-to-gguf-bitnet.py of microsoft/BitNet orders indices, on
 * arrays of any rank: a second way to the bytes, which knows no addresses.
 */

class Grid {
  constructor(
    readonly shape: readonly number[],
    readonly values: readonly number[],
  ) {}

  reshape(...shape: number[]): Grid {
    expectSame(size(shape), this.values.length);
    return new Grid(shape, this.values);
  }

  transpose(...axes: number[]): Grid {
    const strides = this.shape.map((_, axis) => size(this.shape.slice(axis + 1)));
    const shape = axes.map((axis) => this.shape[axis]);
    const values = Array.from({ length: this.values.length }, (_, at) => {
      let rest = at;
      let from = 0;
      for (let axis = axes.length - 1; axis >= 0; axis--) {
        from += (rest % shape[axis]) * strides[axes[axis]];
        rest = Math.floor(rest / shape[axis]);
      }
      return this.values[from];
    });
    return new Grid(shape, values);
  }
}

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

function expectSame(a: number, b: number): void {
  if (a !== b) throw new RangeError(`${a} is not ${b}`);
}

const pairCodes = (trits: readonly number[]) =>
  Array.from({ length: trits.length / 2 }, (_, i) => 3 * trits[2 * i] + trits[2 * i + 1] + 4);

/** `process_tl1`: the bytes of TL1. */
export function tl1Chain(trits: readonly number[], M: number, K: number, BM: number, BY: number, bm: number) {
  const by = 256 / bm;
  const { values } = new Grid([M, K / 2], pairCodes(trits))
    .reshape(M / BM, BM, K / 2)
    .transpose(0, 2, 1)
    .reshape(M / BM, K / BY, BY / 2, BM)
    .transpose(0, 1, 3, 2)
    .reshape(M / BM, K / BY, BM / bm, bm, BY / 2)
    .transpose(0, 1, 2, 4, 3)
    .reshape(M / BM, K / BY, BM / bm, BY / by, by / 2, bm)
    .transpose(0, 1, 2, 3, 5, 4)
    .reshape(M / BM, K / BY, BM / bm, BY / by, bm / 16, 16, by / 2)
    .transpose(0, 1, 2, 3, 4, 6, 5)
    .reshape(M / BM, K / BY, BM / bm, BY / by, bm / 16, by / 4, 2, 16)
    .transpose(0, 1, 2, 3, 4, 5, 7, 6);
  return bytesOfNibbles(values);
}

/** `preprocess_weights_tl2`: all bytes of TL2, and their padding. */
export function tl2Chain(trits: readonly number[], M: number, K: number, BM: number, BY: number): number[] {
  const threes = K - (K % BY);
  const columns = (first: number, last: number) =>
    Array.from({ length: M }, (_, row) => trits.slice(row * K + first, row * K + last)).flat();
  const bytes = threeWeights(columns(0, threes), M, threes, BM, BY);
  if (K % BY !== 0) bytes.push(...twoWeights(columns(threes, K), M, K - threes, BM));
  const padded = Math.floor((Math.floor(((K - 256) * M) / 3) * 5) / 8) + ((256 * M) / 2) * (4 / 8);
  return [...bytes, ...new Array(padded - bytes.length).fill(0)];
}

function threeWeights(trits: readonly number[], M: number, K: number, BM: number, BY: number): number[] {
  const [bm, by] = [32, 6];
  const values = Array.from(
    { length: trits.length / 3 },
    (_, i) => 9 * trits[3 * i] + 3 * trits[3 * i + 1] + trits[3 * i + 2],
  );
  const nibbles = new Grid([M, K / 3], values.map(Math.abs))
    .reshape(M / BM, BM, K / 3)
    .transpose(0, 2, 1)
    .reshape(M / BM, K / BY, BY / 3, BM)
    .transpose(0, 1, 3, 2)
    .reshape(M / BM, K / BY, BM / bm, bm, BY / 3)
    .transpose(0, 1, 2, 4, 3)
    .reshape(M / BM, K / BY, BM / bm, BY / by, by / 3, bm)
    .transpose(0, 1, 2, 3, 5, 4);
  const signs = new Grid(
    [M, K / 3],
    values.map((value) => (value < 0 ? 1 : 0)),
  )
    .reshape(M / BM, BM, K / 3)
    .transpose(0, 2, 1)
    .reshape(M / BM, K / BY, BY / 3, BM)
    .transpose(0, 1, 3, 2)
    .reshape(M / BM, K / BY, BM / bm, bm, BY / 3)
    .transpose(0, 1, 2, 4, 3)
    .reshape(M / BM, K / BY, BM / bm, BY / (4 * by), 8, bm)
    .transpose(0, 1, 2, 3, 5, 4)
    .reshape(M / BM, K / BY, BM / bm, BY / (4 * by), bm, 8)
    .transpose(0, 1, 2, 3, 5, 4).values;
  // Each 256 signs are [16, 16]; those of a column are a little-endian word, the first highest.
  const words: number[] = [];
  for (let at = 0; at < signs.length; at += 256) {
    for (let column = 0; column < 16; column++) {
      let word = 0;
      for (let i = 0; i < 16; i++) word += signs[at + 16 * i + column] << (15 - i);
      words.push(word & 255, word >> 8);
    }
  }
  return [...eightsSwapped(bytesOfNibbles(nibbles.values)), ...words];
}

function twoWeights(trits: readonly number[], M: number, K: number, BM: number): number[] {
  const [BY, bm, by] = [32, 32, 4];
  const { values } = new Grid([M, K / 2], pairCodes(trits))
    .reshape(M / BM, BM, K / 2)
    .transpose(0, 2, 1)
    .reshape(M / BM, K / BY, BY / 2, BM)
    .transpose(0, 1, 3, 2)
    .reshape(M / BM, K / BY, BM / bm, bm, BY / 2)
    .transpose(0, 1, 2, 4, 3)
    .reshape(M / BM, K / BY, BM / bm, BY / by, by / 2, bm)
    .transpose(0, 1, 2, 3, 5, 4);
  return eightsSwapped(bytesOfNibbles(values));
}

/** Two neighbours a byte, the first in the high nibble. */
function bytesOfNibbles(values: readonly number[]): number[] {
  return Array.from({ length: values.length / 2 }, (_, i) => (values[2 * i] << 4) + values[2 * i + 1]);
}

/** Of each 32 bytes the second and third eight change places. */
function eightsSwapped(bytes: readonly number[]): number[] {
  return bytes.map((_, at) => {
    const eight = Math.floor(at / 8) % 4;
    return bytes[eight === 1 ? at + 8 : eight === 2 ? at - 8 : at];
  });
}
