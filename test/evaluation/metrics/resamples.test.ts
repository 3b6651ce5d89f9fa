import fc from "fast-check";
import { expect, test } from "vitest";
import { accuracy } from "../../../src/evaluation/metrics/accuracy.js";
import { binaryF1, matthewsCorrelation } from "../../../src/evaluation/metrics/classification.js";
import { continuationPerplexity } from "../../../src/evaluation/metrics/continuation.js";
import { pearson, spearman } from "../../../src/evaluation/metrics/correlation.js";
import { bestSquadMetrics, squadMetrics } from "../../../src/evaluation/metrics/squad.js";
import { bitsPerByte, wordPerplexity } from "../../../src/evaluation/metrics/text.js";

const metrics = [
  accuracy,
  binaryF1,
  matthewsCorrelation,
  continuationPerplexity,
  pearson,
  spearman,
  wordPerplexity,
  bitsPerByte,
  ...squadMetrics,
  ...bestSquadMetrics,
];

test.each(metrics)("$name of rows that count often equals that of the rows repeated", (metric) => {
  const row = fc.tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 0, max: 3 }),
  );
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), (rows) => {
      const repeated = rows.flatMap(([first, second, times]) =>
        Array.from({ length: times }, () => [first, second]),
      );
      fc.pre(repeated.length > 0);
      const column = (of: readonly (readonly number[])[], at: number) =>
        Float64Array.from(of, (each) => each[at]);
      const often = metric.value(
        column(rows, 0),
        column(rows, 1),
        Uint32Array.from(rows, ([, , times]) => times),
      );
      const once = new Uint32Array(repeated.length).fill(1);
      expect(often).toBeCloseTo(metric.value(column(repeated, 0), column(repeated, 1), once), 12);
    }),
    { numRuns: 200 },
  );
});
