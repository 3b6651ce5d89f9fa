import { expect, test } from "vitest";
import { measuresOf } from "../../src/report/measures.js";
import { madeUpPerplexities, madeUpTaskScores } from "./made-up-summary.js";

test("what was scored alike stands on one line", () => {
  const measures = measuresOf(madeUpTaskScores("glue:sst2"));
  expect(measures).toHaveLength(1);
  expect(measures[0].of.map(({ subject }) => subject)).toEqual([
    "checkpoint, float",
    "quantized, float arithmetic",
    "t-mac pack, LUT engine",
  ]);
});

test("other data, another limit or another context is another line", () => {
  const [one, other] = [madeUpPerplexities("a.txt", 256), madeUpPerplexities("a.txt", 512)];
  const tasks = [...madeUpTaskScores("glue:sst2"), ...madeUpTaskScores("glue:sst2", true)];
  const lines = measuresOf([...one, ...other, ...tasks]).map(
    ({ metric, convention }) => `${metric}: ${convention}`,
  );
  expect(lines).toEqual([
    "token perplexity: context 256, stride 256, 3570 predictions",
    "word perplexity: context 256, stride 256, 3570 predictions",
    "byte perplexity: context 256, stride 256, 3570 predictions",
    "token perplexity: context 512, stride 512, 3570 predictions",
    "word perplexity: context 512, stride 512, 3570 predictions",
    "byte perplexity: context 512, stride 512, 3570 predictions",
    "acc: 872 examples",
    "acc: 100 examples",
  ]);
});

test("a limited score says of how many examples", () => {
  expect(measuresOf(madeUpTaskScores("a", true))[0].limited).toEqual({ examples: 100, available: 872 });
  expect(measuresOf(madeUpTaskScores("a"))[0].limited).toBeNull();
});

test("a change is the paired one where there is one, with its interval", () => {
  const [{ of }] = measuresOf(madeUpTaskScores("a"));
  expect(of[0].change).toBeNull();
  expect(of[2].change).toMatchObject({ kind: "difference", interval: [-0.03, 0.01], mcnemar: { p: 0.2668 } });
  const [token] = measuresOf(madeUpPerplexities("a.txt", 256));
  expect(token.of[1].change).toMatchObject({ kind: "ratio", value: 1.05, interval: [1.04, 1.06] });
});

test("without a paired comparison it is that of the values, without an interval", () => {
  const word = measuresOf(madeUpPerplexities("a.txt", 256))[1];
  expect(word.of[1].change).toEqual({ kind: "ratio", value: 1.1, interval: null, mcnemar: null });
});
