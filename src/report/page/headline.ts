import type { Change, Measure, Measured } from "../measures.js";
import { type Html, html } from "./html.js";
import { number, percent, type Quantity, quantity } from "./number.js";
import type { Section } from "./shell.js";
import { type Cell, dataTable, type NotedQuantity } from "./table.js";

/** Every score of the float model, of the quantized weights and of each pack; then how they differ, pair by pair. */
export function headlineSection(measures: readonly Measure[]): Section {
  const subjects = [...new Set(measures.flatMap(({ of }) => of.map(({ subject }) => subject)))];
  const pairs = measures.flatMap((measure) =>
    measure.of.flatMap((each) =>
      isCompared(each) && each.change ? { measure, each, change: each.change } : [],
    ),
  );
  return {
    id: "scores",
    title: "Scores",
    body: html`
${dataTable({
  id: "scores-table",
  caption: scoresCaption(measures),
  columns: [
    { title: "task" },
    { title: "metric" },
    ...subjects.map((title) => ({ title, numeric: true })),
    { title: "better" },
    { title: "data" },
  ],
  rows: measures.map((measure) => [
    measure.task,
    measure.metric,
    ...subjects.map((subject) => scoreCell(measure, subject)),
    measure.higherIsBetter ? "higher" : "lower",
    {
      text: [measure.data.name, measure.data.split].filter(Boolean).join(", "),
      note: html`<span class="beside">${conventionText(measure)}</span>`,
    },
  ]),
})}
${
  pairs.length > 0 &&
  dataTable({
    id: "differences-table",
    caption:
      "Against the checkpoint in float, on the same examples. Intervals hold 95 %; McNemar's exact test counts the examples that only one of the two gets right.",
    columns: [
      { title: "task" },
      { title: "metric" },
      { title: "of" },
      { title: "change", numeric: true },
      { title: "from", numeric: true },
      { title: "to", numeric: true },
      { title: "shown by the interval" },
      { title: "only float right", numeric: true },
      { title: "only this right", numeric: true },
      { title: "p", numeric: true },
      { title: "same answer", numeric: true },
      { title: "divergence", numeric: true },
    ],
    rows: pairs.map(({ measure, each, change }) => differenceRow(measure, each, change)),
  })
}`,
  };
}

const plainCaption =
  "± is the standard error. Below each score its change from the checkpoint in float, with its 95 % interval in brackets where the examples were compared pair by pair.";

function scoresCaption(measures: readonly Measure[]): Html {
  if (!measures.some(({ limited }) => limited)) return html`${plainCaption}`;
  return html`${plainCaption} <span class="limited">† limited: only the first examples were scored.</span>`;
}

/** Whether it was compared example by example. */
function isCompared({ change, agreement, divergence }: Measured): boolean {
  return Boolean(change?.interval ?? change?.mcnemar) || agreement !== null || divergence !== null;
}

/** `0.8131 ± 0.0132`, below it the change. */
export function scoreCell(measure: Measure, subject: string): Cell {
  const measured = measure.of.find((each) => each.subject === subject);
  return measured ? { ...scoreOf(measure, measured), note: scoreNote(measure, measured) } : null;
}

export function scoreOf({ metric }: Measure, { value }: Measured): Quantity {
  return quantity(value, valueText(value, metric), metric);
}

function scoreNote(measure: Measure, { standardError, change }: Measured): NotedQuantity["note"] {
  const { metric } = measure;
  return html`${
    standardError !== null &&
    html` ± ${number(quantity(standardError, valueText(standardError, metric), `standard error of ${metric}`))}`
  }${limitMark(measure)}${
    change &&
    html`<span class="beside">${number(changeOf(change))}${change.interval && html` [${number(boundOf(change, 0))}, ${number(boundOf(change, 1))}]`}</span>`
  }`;
}

/** † with the numbers in its tooltip; nothing where all examples were scored. */
export function limitMark({ limited }: Measure): Html | null {
  return limited && html`<span class="limited n" title="${limitText(limited)}">†</span>`;
}

function limitText({ examples, available }: NonNullable<Measure["limited"]>): string {
  return `limited: the first ${examples} of ${available} examples`;
}

export function conventionText({ convention, limited }: Measure): string {
  return limited ? `${convention}; † ${limitText(limited)}` : convention;
}

function differenceRow(measure: Measure, each: Measured, change: Change): readonly Cell[] {
  const { mcnemar, interval } = change;
  const marked = measure.limited ? " †" : "";
  return [
    `${measure.task}${marked}`,
    measure.metric,
    each.subject,
    changeOf(change),
    interval && boundOf(change, 0),
    interval && boundOf(change, 1),
    interval ? verdict(measure, change, interval) : "no interval",
    mcnemar && quantity(mcnemar.onlyReference, String(mcnemar.onlyReference), "examples"),
    mcnemar && quantity(mcnemar.onlyModel, String(mcnemar.onlyModel), "examples"),
    mcnemar && quantity(mcnemar.p, mcnemar.p.toPrecision(2), "p of McNemar's exact test, two-sided"),
    each.agreement === null ? null : percent(each.agreement, "share of equal answers"),
    each.divergence === null ? null : quantity(each.divergence, each.divergence.toPrecision(3), "nats"),
  ];
}

/** What an interval says of the change: its direction, or that none is shown. */
function verdict(
  { higherIsBetter }: Measure,
  { kind }: Change,
  [low, high]: readonly [number, number],
): string {
  const none = kind === "ratio" ? 1 : 0;
  if (low <= none && none <= high) return "no difference";
  return low > none === higherIsBetter ? "better" : "worse";
}

function changeOf({ kind, value }: Change): Quantity {
  return quantity(value, changeText(kind, value), kind === "ratio" ? "times the checkpoint's" : "difference");
}

function boundOf({ kind, interval }: Change, at: 0 | 1): Quantity {
  const value = interval?.[at] ?? Number.NaN;
  const bound = at === 0 ? "lower" : "upper";
  return quantity(value, changeText(kind, value), `${bound} bound of the 95 % interval`);
}

/** `1.0531 ×`, `−0.0046`. */
function changeText(kind: Change["kind"], value: number): string {
  if (kind === "ratio") return `${value.toFixed(4)} ×`;
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}

/** Perplexities with three decimals, all else with four. */
function valueText(value: number, metric: string): string {
  return value.toFixed(metric.includes("perplexity") ? 3 : 4);
}
