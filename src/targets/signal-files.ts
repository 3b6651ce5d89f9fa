import { numberToFloat16 } from "../tensor/float.js";
import type { Signal, SignalFormat } from "./signal.js";

/** How a signal is written: for `$readmemh`, raw, for NumPy, and as a C array. */
export const signalEncodings = ["mem", "bin", "npy", "h"] as const;

export type SignalEncoding = (typeof signalEncodings)[number];

/**
 * A signal's file in one encoding.
 * @param symbol of the C array, where there is one.
 */
export function encodeSignal(signal: Signal, encoding: SignalEncoding, symbol: string): Uint8Array {
  switch (encoding) {
    case "mem":
      return Buffer.from(memoryImage(signal));
    case "bin":
      return valueBytes(signal);
    case "npy":
      return numpyArray(signal);
    case "h":
      return Buffer.from(cHeader(signal, symbol));
  }
}

/** Bytes that a value takes in `.bin`, `.npy` and C: the next whole power of two. */
export function bytesPerValue({ bits }: SignalFormat): 1 | 2 | 4 {
  return bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}

/** Two's complement or IEEE bits of a value, in the signal's own width. */
function bitsOf(value: number, { kind, bits }: SignalFormat): number {
  if (kind !== "float") return bits === 32 ? value >>> 0 : (value >>> 0) & (2 ** bits - 1);
  return bits === 16 ? numberToFloat16(value) : (new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0);
}

/** One word a line in hexadecimal, as many digits a value as its bits need: IEEE 1364 `$readmemh`. */
function memoryImage({ name, what, format, shape, perWord = 1, values }: Signal): string {
  const digits = Math.ceil(format.bits / 4);
  const lines = [`// ${name}: ${what}; ${formatName(format)} [${shape.join(", ")}]`];
  for (let first = 0; first < values.length; first += perWord) {
    let word = "";
    for (let i = first; i < first + perWord; i++)
      word = bitsOf(values[i], format).toString(16).padStart(digits, "0") + word;
    lines.push(word);
  }
  return `${lines.join("\n")}\n`;
}

/** Little-endian, sign-extended to whole bytes. */
function valueBytes({ format, values }: Signal): Uint8Array {
  const size = bytesPerValue(format);
  const wide = { ...format, bits: 8 * size } as SignalFormat;
  const out = new DataView(new ArrayBuffer(values.length * size));
  for (let i = 0; i < values.length; i++) {
    const bits = bitsOf(values[i], wide);
    if (size === 1) out.setUint8(i, bits);
    else if (size === 2) out.setUint16(2 * i, bits, true);
    else out.setUint32(4 * i, bits, true);
  }
  return new Uint8Array(out.buffer);
}

/** NumPy's format 1.0: magic, length, a Python literal padded to 64 bytes, data (numpy.lib.format). */
function numpyArray(signal: Signal): Uint8Array {
  const { format, shape } = signal;
  const size = bytesPerValue(format);
  const letter = { signed: "i", unsigned: "u", float: "f" }[format.kind];
  const dtype = `${size === 1 ? "|" : "<"}${letter}${size}`;
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '${dtype}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11); // 10 bytes before, a newline after
  const head = Buffer.from(`\x93NUMPY\x01\x00\0\0${padded}\n`, "latin1");
  head.writeUInt16LE(padded.length + 1, 8);
  return Buffer.concat([head, valueBytes(signal)]);
}

/** Floats as their bits, so that no compiler rounds them again. */
function cHeader({ name, what, format, shape, values }: Signal, symbol: string): string {
  const size = bytesPerValue(format);
  const type = `${format.kind === "signed" ? "int" : "uint"}${8 * size}_t`;
  const cells: string[] = [];
  for (let i = 0; i < values.length; i++) {
    const isNumber = format.kind !== "float";
    cells.push(
      isNumber
        ? cLiteral(values[i])
        : `0x${bitsOf(values[i], format)
            .toString(16)
            .padStart(2 * size, "0")}`,
    );
  }
  const lines: string[] = [];
  for (let i = 0; i < cells.length; i += 12) lines.push(`    ${cells.slice(i, i + 12).join(", ")},`);
  return [
    `/* ${name}: ${what}; ${formatName(format)} [${shape.join(", ")}]${format.kind === "float" ? ", IEEE bits" : ""} */`,
    "#pragma once",
    "#include <stdint.h>",
    `static const ${type} ${symbol}[${values.length}] = {`,
    ...lines,
    "};\n",
  ].join("\n");
}

/** −2³¹ is no literal of C, it is the negation of one that does not fit. */
function cLiteral(value: number): string {
  return value === -(2 ** 31) ? "INT32_MIN" : String(value);
}

/** `signed 10 bits`, `float 32 bits`. */
export function formatName({ kind, bits }: SignalFormat): string {
  return `${kind} ${bits} ${bits === 1 ? "bit" : "bits"}`;
}
