import { expect, test } from "vitest";
import { harnessResults } from "../../src/report/harness-results.js";
import { madeUpPerplexities, madeUpTaskScores } from "./made-up-summary.js";

test("the pack's scores stand under the harness's keys", () => {
  expect(harnessResults(madeUpTaskScores("glue:sst2", true))).toEqual({
    results: { sst2: { alias: "sst2", "acc,none": 0.8074, "acc_stderr,none": 0.0132 } },
    versions: { sst2: 1 },
    "n-shot": { sst2: 0 },
    higher_is_better: { sst2: { acc: true } },
    "n-samples": { sst2: { original: 872, effective: 100 } },
  });
});

test("without a pack they are those of the quantized weights", () => {
  const scores = madeUpTaskScores("glue:sst2").filter(({ target }) => target === null);
  expect(harnessResults(scores).results.sst2["acc,none"]).toBe(0.8085);
});

test("a standard error that there is none of is N/A, as in the harness", () => {
  const scores = madeUpTaskScores("a").map((score) =>
    "metrics" in score
      ? { ...score, metrics: score.metrics.map((metric) => ({ ...metric, standardError: null })) }
      : score,
  );
  expect(harnessResults(scores).results.a["acc_stderr,none"]).toBe("N/A");
});

test("what the harness has not is left out: token perplexity, and tasks of our own", () => {
  const own = madeUpTaskScores("own").map((score) =>
    "harness" in score ? { ...score, harness: null } : score,
  );
  expect(harnessResults([...madeUpPerplexities("a.txt", 256), ...own]).results).toEqual({});
});
