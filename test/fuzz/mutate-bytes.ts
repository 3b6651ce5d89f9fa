import type { Chance } from "./chance.js";

/** One to four changes: flipped bits, numbers at the edges of their widths, pieces cut, doubled, swapped in or left out. */
export function mutateBytes(bytes: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  let changed: Uint8Array = Uint8Array.from(bytes);
  for (let left = 1 + chance.below(4); left > 0; left--)
    changed = chance.oneOf(changes)(changed, other, chance);
  return changed.subarray(0, longest);
}

/** Damage shows in small files, and those are read fast. */
const longest = 2 ** 20;

type Change = (bytes: Uint8Array, other: Uint8Array, chance: Chance) => Uint8Array;

const changes: readonly Change[] = [
  (bytes, _, chance) => written(bytes, chance, (at) => at.set([at[0] ^ (1 << chance.below(8))]), 1),
  (bytes, _, chance) => written(bytes, chance, (at) => at.set([chance.below(256)]), 1),
  (bytes, _, chance) =>
    written(bytes, chance, (at) => at.set(edge(chance, at.length)), chance.oneOf([1, 2, 4, 8])),
  (bytes, _, chance) => bytes.subarray(0, chance.below(bytes.length + 1)),
  (bytes, _, chance) => {
    const [first, last] = range(bytes, chance);
    return joined(bytes.subarray(0, first), bytes.subarray(last));
  },
  (bytes, _, chance) => {
    const [first, last] = range(bytes, chance);
    const times = chance.oncePer(8) ? 1 + chance.below(200) : 1;
    const piece = bytes.subarray(first, last);
    return joined(
      bytes.subarray(0, last),
      ...Array.from({ length: times }, () => piece),
      bytes.subarray(last),
    );
  },
  (bytes, other, chance) => {
    const [first, last] = range(bytes, chance);
    return joined(bytes.subarray(0, first), other.subarray(...range(other, chance)), bytes.subarray(last));
  },
  (bytes, _, chance) => {
    const [first, last] = range(bytes, chance);
    return joined(
      bytes.subarray(0, first),
      new Uint8Array(last - first).fill(chance.oneOf([0, 0x7f, 0x80, 0xff])),
      bytes.subarray(last),
    );
  },
];

/** Headers come first and hold what decides: half of all changes are near the beginning. */
function placeIn(length: number, chance: Chance): number {
  return chance.below(chance.oncePer(2) ? Math.min(length, 64) : length);
}

function written(
  bytes: Uint8Array,
  chance: Chance,
  write: (at: Uint8Array) => void,
  width: number,
): Uint8Array {
  if (bytes.length < width) return bytes;
  const changed = Uint8Array.from(bytes);
  const at = placeIn(bytes.length - width + 1, chance);
  write(changed.subarray(at, at + width));
  return changed;
}

/** A little-endian number where lengths and offsets go wrong: 0, 1, the largest, the middle, one more or less. */
function edge(chance: Chance, width: number): Uint8Array {
  const bits = BigInt(8 * width);
  const base = chance.oneOf([
    0n,
    1n,
    1n << (bits - 1n),
    (1n << bits) - 1n,
    1n << (bits / 2n),
    BigInt(chance.below(1000)),
  ]);
  let value = BigInt.asUintN(8 * width, base + BigInt(chance.below(3) - 1));
  return Uint8Array.from({ length: width }, () => {
    const byte = Number(value & 0xffn);
    value >>= 8n;
    return byte;
  });
}

/** At most 64 bytes, or once in four times any. */
function range(bytes: Uint8Array, chance: Chance): [first: number, last: number] {
  const first = placeIn(bytes.length + 1, chance);
  const most = chance.oncePer(4) ? bytes.length - first : Math.min(64, bytes.length - first);
  return [first, first + chance.below(most + 1)];
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}
