/*
 * The protobuf wire format (https://protobuf.dev/programming-guides/encoding), both ways: a message is fields one after
 * another, each a number with a kind, then its content.
 */

/** The bytes of a message from those of its fields. */
export function message(fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

/** A field that holds a message, a text or bytes. */
export function field(number: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([varint((number << 3) | kinds.bytes), varint(content.length), content]);
}

export function integer(number: number, value: number): Uint8Array {
  return Buffer.concat([varint((number << 3) | kinds.varint), varint(value)]);
}

export function float(number: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([varint((number << 3) | kinds.fourBytes), bytes]);
}

export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value)); // negative numbers take their ten-byte form
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

export function text(value: string): Uint8Array {
  return Buffer.from(value, "utf8");
}

const kinds = { varint: 0, eightBytes: 1, bytes: 2, fourBytes: 5 } as const;

/** A field as it was read: a number for a varint, else its bytes. */
export interface ReadField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** The fields of a message that a stranger may have written. @throws RangeError when it is none, as in "it …". */
export function readFields(bytes: Uint8Array): readonly ReadField[] {
  const fields: ReadField[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [key, afterKey] = readVarint(bytes, at);
    const number = Number(key >> 3n);
    if (number < 1 || number > 2 ** 29 - 1) throw new RangeError(`has a field of number ${number}`);
    const kind = Number(key & 7n);
    if (kind === kinds.varint) {
      const [value, end] = readVarint(bytes, afterKey);
      fields.push({ number, value });
      at = end;
      continue;
    }
    const [length, begin] = lengthOf(kind, bytes, afterKey);
    if (length > bytes.length - begin) throw new RangeError(`has a field ${number} that ends beyond it`);
    at = begin + length;
    fields.push({ number, value: bytes.subarray(begin, at) });
  }
  return fields;
}

function lengthOf(kind: number, bytes: Uint8Array, at: number): readonly [length: number, begin: number] {
  if (kind === kinds.eightBytes) return [8, at];
  if (kind === kinds.fourBytes) return [4, at];
  if (kind !== kinds.bytes) throw new RangeError(`has a field of the kind ${kind}`);
  const [length, begin] = readVarint(bytes, at);
  return [Number(length), begin]; // one beyond whole numbers is beyond the bytes too
}

function readVarint(bytes: Uint8Array, begin: number): readonly [value: bigint, end: number] {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    if (begin + i >= bytes.length) throw new RangeError("ends within a number");
    const byte = bytes[begin + i];
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return [BigInt.asUintN(64, value), begin + i + 1];
  }
  throw new RangeError("has a number of more than ten bytes");
}
