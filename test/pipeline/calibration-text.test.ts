import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { calibrationText } from "../../src/pipeline/calibration-text.js";
import type { CalibrationChoice } from "../../src/recipe/schema.js";
import { bundledModel, temporaryFolder } from "./run.js";

/** Reads a text of `words` words, each one token or more. */
function read(
  words: number,
  choice: Partial<CalibrationChoice> = {},
  { contextLength = 256, ...options }: { contextLength?: number; tokensByDefault?: number } = {},
) {
  const folder = temporaryFolder();
  writeFileSync(path.join(folder, "words.txt"), "the ".repeat(words));
  return calibrationText({
    calibration: { text: "words.txt", split: "train", ...choice },
    folder,
    directory: bundledModel,
    description: { contextLength },
    ...options,
  });
}

test("a window is the model's context long, 512 tokens at most, and there are 65,536 tokens", async () => {
  expect((await read(80_000)).source).toMatchObject({ windows: 256, length: 256 });
  expect((await read(80_000, {}, { contextLength: 4096 })).source).toMatchObject({
    windows: 128,
    length: 512,
  });
});

test("there may be fewer tokens where nothing is said", async () => {
  expect((await read(20_000, {}, { tokensByDefault: 1000 })).source).toMatchObject({
    windows: 4,
    length: 256,
  });
});

test("a choice decides how many windows there are, and how long", async () => {
  const { windows } = await read(2000, { samples: 3, length: 20 });
  expect(windows.map(({ length }) => length)).toEqual([20, 20, 20]);
});

test("a short text gives what it has", async () => {
  expect((await read(700)).windows.length).toBe(2);
});

describe("is refused:", () => {
  test("windows longer than the model's context", async () => {
    await expect(read(2000, { length: 512 })).rejects.toMatchObject({
      fix: "set the length to 256 or less",
    });
  });

  test("windows of one token", async () => {
    await expect(read(2000, { length: 1 })).rejects.toMatchObject({ fix: "set the length to 2 or more" });
  });

  test("a text shorter than a window", async () => {
    await expect(read(5)).rejects.toMatchObject({
      fix: "give a longer text, or a smaller `length`",
    });
  });

  test("a text that is not there", async () => {
    await expect(read(5, { text: "none.txt" })).rejects.toThrow(/none\.txt/);
  });
});
