import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Row } from "../../src/calibration/rows.js";
import { readTable } from "../../src/calibration/table.js";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "../checkpoint/folder.js";
import { parquetFile } from "./parquet-file.js";

async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  const file = path.join(await temporaryFolder(), name);
  await writeFile(file, content);
  return file;
}

async function rowsOf(
  name: string,
  content: string,
  header: readonly string[] | null = null,
): Promise<readonly Row[]> {
  return (await readTable(await fileOf(name, content), header)).rows;
}

async function errorOf(
  name: string,
  content: string,
  header: readonly string[] | null = null,
): Promise<LuthierError> {
  const error = await rowsOf(name, content, header).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(LuthierError);
  return error;
}

test("a table with tabs has its columns by the names of its first line", async () => {
  expect(await rowsOf("a.tsv", "sentence\tlabel\ngood .\t1\nbad .\t0\n")).toEqual([
    { sentence: "good .", label: "1" },
    { sentence: "bad .", label: "0" },
  ]);
});

test("a mark of byte order, carriage returns, empty lines and a missing last line break are none of the text", async () => {
  const rows = await rowsOf("a.txt", "\ufeffQuality\t#1 String\r\n1\tone\r\n\r\n0\ttwo");
  expect(rows).toEqual([
    { Quality: "1", "#1 String": "one" },
    { Quality: "0", "#1 String": "two" },
  ]);
});

test("with tabs a quote is a quote, as in GLUE's files", async () => {
  const rows = await rowsOf("a.tsv", 'a\tb\n"stray\t5" disk\n"whole"\tsaid ""x""\n');
  expect(rows).toEqual([
    { a: '"stray', b: '5" disk' },
    { a: '"whole"', b: 'said ""x""' },
  ]);
});

test("with tabs, quotes are a CSV writer's when the whole file is what one writes", async () => {
  const rows = await rowsOf("a.tsv", 'a\tb\n"the ""x"""\t1\nplain\t"two\nlines"\n');
  expect(rows).toEqual([
    { a: 'the "x"', b: "1" },
    { a: "plain", b: "two\nlines" },
  ]);
});

test("CSV has quotes, with commas, doubled quotes and line breaks in them", async () => {
  const rows = await rowsOf("a.csv", 'q,answer\r\n"a, ""b""\nc",A\r\nd,"B"\r\n');
  expect(rows).toEqual([
    { q: 'a, "b"\nc', answer: "A" },
    { q: "d", answer: "B" },
  ]);
});

test("in CSV a quote within a cell that is not quoted is a quote, as in MMLU's files", async () => {
  expect(await rowsOf("a.csv", 'q,a\nto Truth?"In what is,A\n"""",B\n')).toEqual([
    { q: 'to Truth?"In what is', a: "A" },
    { q: '"', a: "B" },
  ]);
});

test("a CSV file with tabs is a table with tabs, as STS-B's are", async () => {
  expect(await rowsOf("a.csv", "x\ty\n1, 2\t3\n")).toEqual([{ x: "1, 2", y: "3" }]);
});

test("JSON Lines and arrays keep the values' types", async () => {
  const rows = [
    { label: 1, answers: { text: ["a"] } },
    { label: 0, answers: null },
  ];
  expect(await rowsOf("a.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join("\n"))).toEqual(rows);
  expect(await rowsOf("a.json", JSON.stringify(rows, null, 2))).toEqual(rows);
});

test("a parquet file gives all its columns", async () => {
  const file = await fileOf(
    "a.parquet",
    parquetFile({ name: "label", values: [1, 0] }, { name: "text", values: ["één", "🎻"] }),
  );
  expect((await readTable(file, null)).rows).toEqual([
    { label: 1, text: "één" },
    { label: 0, text: "🎻" },
  ]);
});

test.each(["a.tsv", "a.parquet"])("the sha256 is that of the bytes of %s", async (name) => {
  const bytes =
    name === "a.tsv" ? Buffer.from("\ufeffa\r\nb\r\n") : parquetFile({ name: "a", values: ["b"] });
  const { sha256 } = await readTable(await fileOf(name, bytes), null);
  expect(sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
});

const cola = ["source", "label", "mark", "sentence"];
const mmlu = ["question", "A", "B", "C", "D", "answer"];

test("without a line of names the first line is an example", async () => {
  expect(await rowsOf("a.tsv", "gj04\t1\t\tIt works.\nbc01\t0\t*\tWorks it.\n", cola)).toEqual([
    { source: "gj04", label: "1", mark: "", sentence: "It works." },
    { source: "bc01", label: "0", mark: "*", sentence: "Works it." },
  ]);
  expect(await rowsOf("a.csv", "Which letter?,A,B,C,D,A\n", mmlu)).toEqual([
    { question: "Which letter?", A: "A", B: "B", C: "C", D: "D", answer: "A" },
  ]);
});

test("a line of names has its own order, and may have other columns", async () => {
  expect(await rowsOf("a.tsv", "idx\tsentence\tlabel\n7\tIt works.\t1\n", cola)).toEqual([
    { idx: "7", sentence: "It works.", label: "1" },
  ]);
  expect(await rowsOf("a.csv", "question,A,B,C,D,answer\nWhy?,1,2,3,4,D\n", mmlu)).toHaveLength(1);
});

test("a first line that may be either is refused", async () => {
  const error = await errorOf("a.csv", "Why?,question,2,3,4,D\n", mmlu);
  expect(error.message).toContain("may hold names of columns or an example");
  expect(error.fix).toBe("Begin the file with a line of the names question, A, B, C, D, answer.");
  expect((await errorOf("a.csv", "Question,a,b,c,d,target\n", mmlu)).message).toContain("may hold names");
});

test("with tabs, rows without names may have more columns than are known, unless the first has", async () => {
  expect(await rowsOf("a.tsv", "s\t1\t\tx\ns\t0\t\ty\tz\n", cola)).toHaveLength(2);
  expect((await errorOf("a.tsv", "s\t1\t\tx\tz\ns\t0\t\ty\n", cola)).message).toContain("line 1 of");
});

test.each([
  ["a.tsv", "a\tb\n1\t2\n\n3\n", "line 4 of FILE has 1 columns, not 2 (a, b)"],
  ["a.tsv", "a\tb\n1\t2\t3\n", "line 2 of FILE has 3 columns, not 2 (a, b)"],
  ["a.tsv", "a\tb\ta\n1\t2\t3\n", 'the first line of FILE holds "a" twice'],
  ["a.csv", "a,b\n1,2\n3\n", "line 3"],
  ["a.csv", 'a,b\n1,2\n3,"x"y\n', 'FILE is no CSV table: the cell "x"y has a stray quote at line 3'],
  ["a.csv", 'a,b\n"1"2",x",3\n', "FILE is no CSV table"],
  ["a.csv", 'a,b\n1,"2\n', "FILE is no CSV table: Quote Not Closed"],
  ["a.jsonl", '{"a":1}\n\n{"a":\n', "line 3 of FILE is not JSON"],
  ["a.jsonl", '{"a":1}\n[2]\n', "line 2 of FILE is no object"],
  ["a.json", '{"a":1}', "FILE is JSON, but no array of rows"],
  ["a.json", '[{"a":1}, null]', "row 2 of FILE is no object"],
  ["a.xlsx", "a", "FILE is no table whose name says its format"],
])("%s: %j is an error that says where", async (name, content, message) => {
  const error = await errorOf(name, content);
  expect(error.message.replace(/\S+\/a\.\w+/, "FILE")).toContain(message);
  expect(error.fix).not.toBe("");
});

test("text that is not UTF-8 is refused", async () => {
  const file = await fileOf("a.tsv", Buffer.of(97, 9, 0xe9, 10));
  await expect(readTable(file, null)).rejects.toThrow(`${file} is not UTF-8 text`);
});

test("a file of nothing but separators is refused before it is split", async () => {
  const file = await fileOf("a.tsv", Buffer.alloc(2 ** 24 + 1, 9));
  await expect(readTable(file, null)).rejects.toThrow("has 16777217 separators of cells");
});

test("millions of quotes are read without running out of stack", async () => {
  const cell = '"'.repeat(2 ** 22);
  expect(await rowsOf("a.tsv", `a\n"${cell}\n`)).toEqual([{ a: `"${cell}` }]);
  expect(await rowsOf("a.tsv", `a\n"${cell}"\n`)).toEqual([{ a: cell.slice(2 ** 21) }]);
});

test("a column called __proto__ is a column", async () => {
  for (const [name, content] of [
    ["a.tsv", "__proto__\tb\nx\ty\n"],
    ["a.jsonl", '{"__proto__":"x","b":"y"}\n'],
  ]) {
    const [row] = await rowsOf(name, content);
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(Object.entries(row)).toEqual([
      ["__proto__", "x"],
      ["b", "y"],
    ]);
  }
});

const names = ["first", "second", "third"];
const plainCell = fc.string({
  unit: fc.constantFrom("a", "é", "🎻", '"', ",", " ", "'", "\u2028", "\u0000"),
});

test("whatever cells without tabs and line breaks are written with tabs is read back, whole", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(plainCell, plainCell, plainCell), { minLength: 1 }),
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
      async (rows, lineBreak, withNames) => {
        const lines = (withNames ? [names, ...rows] : rows).map((row) => `${row.join("\t")}${lineBreak}`);
        const found = await rowsOf("p.tsv", lines.join(""), withNames ? null : names);
        // A file that is what a CSV writer makes loses its quotes, and no other.
        const quoted = rows.some((row) => row.some((cell) => /^"(?:[^"]|"")*""(?:[^"]|"")*"$/.test(cell)));
        expect(found).toHaveLength(rows.length);
        if (quoted) return;
        expect(found.map((row) => names.map((name) => row[name]))).toEqual(rows);
      },
    ),
  );
});

const anyCell = fc.string({ unit: fc.constantFrom("a", "é", '"', ",", "\n", "\t", " ", "🎻") });

test.each([",", "\t"])("whatever a CSV writer writes with %j is read back", async (delimiter) => {
  const special = new RegExp(`["\n\r${delimiter}]`);
  const write = (cell: string) => (special.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(anyCell, anyCell, anyCell), { minLength: 1 }), async (rows) => {
      const text = [names, ...rows].map((row) => `${row.map(write).join(delimiter)}\n`).join("");
      const found = await rowsOf(delimiter === "," ? "p.csv" : "p.tsv", text);
      expect(found.map((row) => names.map((name) => row[name]))).toEqual(rows);
    }),
  );
});

test.each(["h.tsv", "h.csv", "h.jsonl", "h.json"])(
  "any bytes as %s give rows or a LuthierError",
  async (name) => {
    const piece = fc.constantFrom(
      "a",
      '"',
      ",",
      "\t",
      "\n",
      "\r",
      "\ufeff",
      "{",
      "}",
      "[",
      "]",
      ":",
      "1",
      "first",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece), fc.constantFrom(null, names), async (pieces, header) => {
        try {
          const { rows } = await readTable(await fileOf(name, pieces.join("")), header);
          for (const row of rows) expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
        } catch (error) {
          expect(error).toBeInstanceOf(LuthierError);
        }
      }),
      { numRuns: 300 },
    );
  },
);
