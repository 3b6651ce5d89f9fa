import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { assets } from "./assets.js";

async function read(name: string): Promise<string> {
  return readFile(assets(name), "utf8");
}

test("luthier-tiny: the held-out text has the token ids of the reference", async () => {
  const tokenizer = await openTokenizer(assets("luthier-tiny"));
  const reference = JSON.parse(await read("luthier-tiny/reference.json"))["heldout.txt"];
  const text = await read("luthier-tiny/heldout.txt");
  const ids = tokenizer.encode(text);
  expect(ids.length).toBe(reference.tokens);
  expect([...ids.subarray(0, 32)]).toEqual(reference.first32TokenIds);
  expect(tokenizer.decode(ids)).toBe(text);
});

test("stories260K: TinyStories has the token ids of the reference", async () => {
  const tokenizer = await openTokenizer(assets("stories260K"));
  const reference = JSON.parse(await read("stories260K/reference.json"))["tinystories.txt"];
  const ids = tokenizer.encode(await read("data/tinystories/tinystories.txt"));
  expect(ids.length).toBe(reference.tokens);
  expect([...ids.subarray(0, 16)]).toEqual(reference.first16TokenIds);
});

test.each(["luthier-tiny", "stories260K", "luthier-bert-sst2"])(
  "%s: four times a text takes about four times as long, not sixteen",
  async (model) => {
    const tokenizer = await openTokenizer(assets(model));
    const whole = await read("data/wikitext-2-raw/test.txt");
    const text = whole.slice(0, whole.length / 4);
    const once = secondsOf(() => tokenizer.encode(text));
    const fourTimes = secondsOf(() => tokenizer.encode(text.repeat(4)));
    console.info(`${model}: ${once.toFixed(2)} s, four times the text ${fourTimes.toFixed(2)} s`);
    expect(fourTimes).toBeLessThan(8 * once + 1);
  },
);

function secondsOf(work: () => void): number {
  const begin = performance.now();
  work();
  return (performance.now() - begin) / 1000;
}
