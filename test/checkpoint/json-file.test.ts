import { truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { duplicateKey, parseJsonObject, readJsonObject } from "../../src/checkpoint/json-file.js";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "./folder.js";

async function fileWith(content: string | Uint8Array): Promise<string> {
  const file = path.join(await temporaryFolder(), "config.json");
  await writeFile(file, content);
  return file;
}

test("an object is read", async () => {
  expect(await readJsonObject(await fileWith('{"a": [1, null]}'))).toEqual({ a: [1, null] });
});

test.each([
  ["{ not json", /is not JSON/],
  ["", /is not JSON/],
  ["[1]", /is JSON, but not an object/],
  ["null", /is JSON, but not an object/],
  [Uint8Array.of(0x22, 0xff, 0x22), /is not JSON/],
])("%j is refused", async (content, message) => {
  const file = await fileWith(content);
  await expect(readJsonObject(file)).rejects.toThrow(message);
  await expect(readJsonObject(file)).rejects.toThrow(file);
});

test("a file of absurd size is refused before it is read", async () => {
  const file = await fileWith("{}");
  await truncate(file, 1e9); // sparse: takes no space
  await expect(readJsonObject(file)).rejects.toThrow(/has 1000000000 bytes/);
});

test.each([
  ['{"a": 1, "a": 2}', "a"],
  ['{"a": {"b": 1, "c": {}, "b" : 2}}', "b"],
  ['{"a": 1, "\\u0061": 2}', "a"],
  ['[{"x": 1}, {"x": 2}, {"y": [{"y": 1}], "y": 3}]', "y"],
  ['{"__proto__": 1, "__proto__": 2}', "__proto__"],
])("%s has a key twice", (json, key) => expect(duplicateKey(json)).toBe(key));

test.each([
  ['{"a": "a", "b": "a"}'],
  ['{"a": {"a": {"a": 1}}}'],
  ['{"a": "\\"}{,\\\\", "b": "{\\"a\\":1,\\"a\\":2}"}'],
])("%s has no key twice", (json) => expect(duplicateKey(json)).toBeNull());

test("no JSON that an object was written as has a key twice", () => {
  fc.assert(fc.property(fc.json({ maxDepth: 5 }), (json) => duplicateKey(json) === null));
});

test("values that are nested deeper than any format has them are refused, before anything walks them", () => {
  // The marks in the text do not count.
  const nested = (depth: number) => Buffer.from(`{"a":${"[".repeat(depth)}"]\\"["${"]".repeat(depth)}}`);
  expect(parseJsonObject(nested(99), "x.json")).toHaveProperty("a");
  expect(() => parseJsonObject(nested(100), "x.json")).toThrow(/x.json is not JSON: its values are nested/);
  expect(() => parseJsonObject(nested(50_000), "x.json")).toThrow(LuthierError);
});
