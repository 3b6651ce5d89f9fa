import { writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readParquetRows, readTextColumn } from "../../src/calibration/parquet.js";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "../checkpoint/folder.js";
import { parquetFile } from "./parquet-file.js";

async function fileWith(content: Uint8Array): Promise<string> {
  const file = path.join(await temporaryFolder(), "0000.parquet");
  await writeFile(file, content);
  return file;
}

test("a text column is read in order, empty texts included", async () => {
  const file = await fileWith(
    parquetFile({ name: "label", values: [1, 2, 3] }, { name: "text", values: ["één", "", "🎻"] }),
  );
  expect(await readTextColumn(file, "text")).toEqual(["één", "", "🎻"]);
});

test("a column that is not there is an error that names those that are", async () => {
  const file = await fileWith(parquetFile({ name: "b", values: ["x"] }, { name: "a", values: ["y"] }));
  const error = await readTextColumn(file, "text").catch((thrown) => thrown);
  expect(error.message).toBe(`${file} has no column text`);
  expect(error.fix).toBe("Choose one of: a, b.");
});

test("a column of numbers is refused", async () => {
  const file = await fileWith(parquetFile({ name: "label", values: [1] }));
  await expect(readTextColumn(file, "label")).rejects.toThrow(
    /row 0 of column label .* is not text but number/,
  );
});

test("a column that claims to unpack to gigabytes is refused before it is read", async () => {
  const file = await fileWith(parquetFile({ name: "text", values: ["x"], claimedBytes: 4e9 }));
  await expect(readTextColumn(file, "text")).rejects.toThrow(/unpacks to 4000000000 bytes/);
});

test("rows have all columns; whole numbers of 64 bits are numbers where those hold them", async () => {
  const file = await fileWith(
    parquetFile(
      { name: "label", values: [1n, -2n, 2n ** 53n] },
      { name: "text", values: ["one", "", "three"] },
      { name: "idx", values: [0, 1, 2] },
    ),
  );
  expect(await readParquetRows(file)).toEqual([
    { label: 1, text: "one", idx: 0 },
    { label: -2, text: "", idx: 1 },
    { label: 2n ** 53n, text: "three", idx: 2 },
  ]);
});

test("columns that together claim gigabytes, or millions of values, are refused before they are read", async () => {
  const large = { values: ["x"], claimedBytes: 2 ** 28 + 1 };
  const heavy = await fileWith(parquetFile({ name: "a", ...large }, { name: "b", ...large }));
  await expect(readParquetRows(heavy)).rejects.toThrow(/0000.parquet unpacks to 536870914 bytes/);
  expect(await readTextColumn(heavy, "a")).toEqual(["x"]);
  const long = await fileWith(parquetFile({ name: "a", values: ["x"], claimedValues: 2 ** 24 + 1 }));
  await expect(readParquetRows(long)).rejects.toThrow(/has 16777217 values; the limit is 16777216/);
});

describe("a page of two values that says that one stands there a thousand million times", () => {
  // RLE_DICTIONARY: codes of one bit, then a run of 2^30 (its length doubled, seven bits a byte) of the code 0.
  const bytes = Buffer.of(1, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0);
  const bomb = parquetFile({ name: "a", values: [bytes.readInt32LE(0), bytes.readInt32LE(4)], encoding: 8 });

  test("is refused when it takes more memory than it may", async () => {
    const error = await readParquetRows(await fileWith(bomb), { seconds: 60, memoryBytes: 2 ** 27 }).catch(
      (thrown) => thrown,
    );
    expect(error).toBeInstanceOf(LuthierError);
    expect(error.message).toMatch(/takes more than 134217728 bytes of memory to unpack/);
  });

  test("is refused when it takes longer than it may, and the next file is read", async () => {
    const error = await readParquetRows(await fileWith(bomb), { seconds: 0.2, memoryBytes: 2 ** 40 }).catch(
      (thrown) => thrown,
    );
    expect(error.message).toMatch(/takes more than 0.2 seconds to unpack/);
    const sound = await fileWith(parquetFile({ name: "a", values: [1] }));
    expect(await readParquetRows(sound)).toEqual([{ a: 1 }]);
  });
});

test("a file that is missing is named", async () => {
  await expect(readTextColumn("/nonexistent.parquet", "text")).rejects.toThrow(
    "cannot read /nonexistent.parquet: it does not exist",
  );
});

test("damaged files never end in anything but a LuthierError or a text and rows", async () => {
  const sound = parquetFile(
    { name: "text", values: ["one", "two", "three"] },
    { name: "label", values: [1n, 0n, 1n] },
  );
  const file = await fileWith(sound);
  const change = fc.record({ at: fc.nat(sound.length - 1), byte: fc.nat(255) });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 3 }), fc.nat(20), async (changes, cut) => {
      const damaged = Buffer.from(sound.subarray(0, sound.length - cut));
      for (const { at, byte } of changes) if (at < damaged.length) damaged[at] = byte;
      await writeFile(file, damaged);
      try {
        for (const text of await readTextColumn(file, "text")) expect(typeof text).toBe("string");
        for (const row of await readParquetRows(file)) expect(typeof row).toBe("object");
      } catch (error) {
        expect(error).toBeInstanceOf(LuthierError);
      }
    }),
    { numRuns: 300 },
  );
});
