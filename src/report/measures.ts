import type { MetricDifference, PairedComparison } from "../evaluation/metric.js";
import type { TaskScore } from "../evaluation/score.js";
import type { PerplexityResult } from "../pipeline/evaluate.js";
import type { Score } from "./score.js";
import { scoreSubject } from "./score-text.js";

/*
 * Scores as tables show them: a line for each metric of a task on one text or data set, and on it everything that was
 * scored so: the checkpoint, the quantized weights, each pack. Only what stands on one line may be compared.
 */

/** A metric of a task, with all that was measured by it. */
export interface Measure {
  readonly task: string;
  readonly metric: string;
  readonly higherIsBetter: boolean;
  /** Whether another measure says the same of the model in other units, as a token's perplexity does of a word's. */
  readonly derived: boolean;
  readonly data: { readonly name: string; readonly split: string | null; readonly sha256: string };
  /** What besides the data decides the value: `context 256, stride 256, 3570 predictions`. */
  readonly convention: string;
  /** Null where all examples were scored. */
  readonly limited: { readonly examples: number; readonly available: number } | null;
  /** In the order in which they were scored. */
  readonly of: readonly Measured[];
}

export interface Measured {
  /** What was scored, in words: `t-mac pack, LUT engine`. */
  readonly subject: string;
  readonly isCheckpoint: boolean;
  /** Of the pack; null in float arithmetic. */
  readonly target: string | null;
  readonly value: number;
  readonly standardError: number | null;
  /** From the checkpoint; null of that itself, or where it was not scored. */
  readonly change: Change | null;
  readonly agreement: number | null;
  /** In nats. */
  readonly divergence: number | null;
  readonly tokens: number;
  readonly seconds: number;
}

export interface Change {
  /** Perplexities are compared by their ratio, all else by the difference. */
  readonly kind: "ratio" | "difference";
  readonly value: number;
  /** 95 %; null where it was not computed. */
  readonly interval: readonly [low: number, high: number] | null;
  readonly mcnemar: MetricDifference["mcnemar"];
}

/** In the order of the scores. */
export function measuresOf(scores: readonly Score[]): readonly Measure[] {
  const measures = new Map<string, Measure>();
  for (const score of scores) {
    for (const { of, ...measure } of "perplexity" in score ? ofPerplexity(score) : ofTask(score)) {
      const key = JSON.stringify({ ...measure, data: measure.data.sha256 });
      measures.set(key, { ...measure, of: [...(measures.get(key)?.of ?? []), ...of] });
    }
  }
  return [...measures.values()].map(withChanges);
}

/** A token's perplexity was compared window by window; a word's and a byte's are the same likelihood shared out otherwise. */
function ofPerplexity(score: PerplexityResult & Score): readonly Measure[] {
  const { context, stride, predictions, standardError, comparison, tokens } = score;
  const measure = {
    ...{ task: score.task, higherIsBetter: false, data: score.text, limited: null },
    convention: `context ${context}, stride ${stride}, ${predictions} predictions`,
  };
  const alone = {
    ...measuredOf(score),
    standardError: null,
    change: null,
    agreement: null,
    divergence: null,
    tokens,
  };
  const compared = {
    ...{ ...alone, standardError },
    change: comparison && {
      kind: "ratio" as const,
      value: comparison.ratio,
      interval: comparison.interval,
      mcnemar: null,
    },
    agreement: comparison?.agreement ?? null,
    divergence: comparison?.divergence ?? null,
  };
  return [
    {
      ...measure,
      metric: "token perplexity",
      derived: false,
      of: [{ ...compared, value: score.perplexity }],
    },
    { ...measure, metric: "word perplexity", derived: true, of: [{ ...alone, value: score.wordPerplexity }] },
    { ...measure, metric: "byte perplexity", derived: true, of: [{ ...alone, value: score.bytePerplexity }] },
  ];
}

function ofTask(score: TaskScore & Score): readonly Measure[] {
  const { task, data, shots, examples, available, truncated, comparison } = score;
  return score.metrics.map(({ name, value, standardError, higherIsBetter }) => ({
    ...{ task, metric: name, higherIsBetter, derived: false, data },
    convention: [
      `${examples} examples`,
      ...(shots > 0 ? [`${shots} shots`] : []),
      ...(truncated > 0 ? [`${truncated} cut to the context`] : []),
    ].join(", "),
    limited: examples < available ? { examples, available } : null,
    of: [
      {
        ...measuredOf(score),
        value,
        standardError,
        change: changeOf(name, comparison),
        agreement: comparison?.agreement ?? null,
        divergence: comparison?.divergence ?? null,
        tokens: score.tokens,
      },
    ],
  }));
}

function measuredOf(score: Score) {
  const { of, target, seconds } = score;
  return { subject: scoreSubject(score), isCheckpoint: of === "checkpoint", target, seconds };
}

function changeOf(metric: string, comparison: PairedComparison | null): Change | null {
  const found = comparison?.metrics.find(({ name }) => name === metric);
  return found
    ? { kind: "difference", value: found.difference, interval: found.interval, mcnemar: found.mcnemar }
    : null;
}

/** Where no comparison was computed, the change of the values alone. */
function withChanges(measure: Measure): Measure {
  const checkpoint = measure.of.find(({ isCheckpoint }) => isCheckpoint);
  if (checkpoint === undefined) return measure;
  const kind = measure.metric.includes("perplexity") ? "ratio" : "difference";
  const change = (value: number): Change => ({
    kind,
    value: kind === "ratio" ? value / checkpoint.value : value - checkpoint.value,
    ...{ interval: null, mcnemar: null },
  });
  const of = measure.of.map((each) => ({
    ...each,
    change: each.isCheckpoint ? null : (each.change ?? change(each.value)),
  }));
  return { ...measure, of };
}
