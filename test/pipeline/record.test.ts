import { truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { readRecord, writeRecord } from "../../src/pipeline/record.js";
import { temporaryFolder } from "./run.js";

const schema = z.strictObject({ a: z.int() });

test("what was written is read; where there is nothing, null", async () => {
  const file = path.join(temporaryFolder(), "below", "record.json");
  expect(await readRecord(file, schema, "no way out")).toBeNull();
  await writeRecord(file, { a: 1 });
  expect(await readRecord(file, schema, "no way out")).toEqual({ a: 1 });
});

test("a record of absurd size is refused before it is read", async () => {
  const file = path.join(temporaryFolder(), "record.json");
  writeFileSync(file, '{"a":1}');
  truncateSync(file, 1e9); // sparse: takes no space
  await expect(readRecord(file, schema, "no way out")).rejects.toThrow(/record\.json has 1000000000 bytes/);
});
