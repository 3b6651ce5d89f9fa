/**
 * Takes numbers and texts off the front of a GGUF file; never past its end, whatever lengths it is told. Everything that it
 * takes may throw HeaderTooShort when more bytes are needed, or a RangeError saying what is wrong, as in "it …".
 */
export class Cursor {
  at = 0;
  private readonly bytes: Buffer;

  constructor(
    available: Uint8Array,
    private readonly fileBytes: number,
  ) {
    this.bytes = Buffer.from(available.buffer, available.byteOffset, available.byteLength);
  }

  take(length: number): Buffer {
    if (length > this.fileBytes - this.at) throw new RangeError("ends within its header");
    if (length > this.bytes.length - this.at) throw new HeaderTooShort();
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  uint32(): number {
    return this.take(4).readUInt32LE();
  }

  uint64(): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`has the length ${value}`);
    return Number(value);
  }

  /** A number of things that take at least so many bytes each: the file must have room for them. */
  count(what: string, leastBytes: number): number {
    const count = this.uint64();
    if (count * leastBytes > this.fileBytes - this.at)
      throw new RangeError(`declares ${count} ${what}, too many for its ${this.fileBytes} bytes`);
    return count;
  }

  text(): string {
    const bytes = this.take(this.count("bytes of a text", 1));
    try {
      return utf8.decode(bytes);
    } catch {
      throw new RangeError("has a text that is not UTF-8");
    }
  }
}

/** The bytes of a file's beginning end before its header does. */
export class HeaderTooShort extends Error {}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
