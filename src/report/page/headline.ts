import type { Change, Measure, Measured } from "../measures.js";
import { conventionText, dataText } from "../score-text.js";
import { type Html, html } from "./html.js";
import { percent, quantity, threeDigits, whole } from "./number.js";
import { boundOf, changeOf, limitedCaption, scoreCell, scoreCellCaption } from "./score-cell.js";
import type { Section } from "./shell.js";
import { type Cell, dataTable } from "./table.js";

/** Every score of the float model, of the quantized weights and of each pack; then how they differ, pair by pair. */
export function headlineSection(measures: readonly Measure[]): Section {
  return {
    id: "scores",
    title: "Scores",
    body: html`${scoresTable(measures)}${differencesTable(measures)}`,
  };
}

function scoresTable(measures: readonly Measure[]): Html {
  const subjects = [...new Set(measures.flatMap(({ of }) => of.map(({ subject }) => subject)))];
  return dataTable({
    id: "scores-table",
    caption: html`${scoreCellCaption}${measures.some(({ limited }) => limited) && limitedCaption}`,
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
      ...subjects.map((subject) => {
        const measured = measure.of.find((each) => each.subject === subject);
        return measured ? scoreCell(measure, measured) : null;
      }),
      measure.higherIsBetter ? "higher" : "lower",
      { text: dataText(measure), note: html`<span class="beside long">${conventionText(measure)}</span>` },
    ]),
  });
}

/** Of what was compared example by example; nothing where nothing was. */
function differencesTable(measures: readonly Measure[]): Html | null {
  const pairs = measures.flatMap((measure) =>
    measure.of.flatMap((each) =>
      isCompared(each) && each.change ? { measure, each, change: each.change } : [],
    ),
  );
  if (pairs.length === 0) return null;
  const isLimited = pairs.some(({ measure }) => measure.limited);
  return dataTable({
    id: "differences-table",
    caption: html`Against the checkpoint in float, on the same examples. Intervals hold 95 %; McNemar's exact test counts the examples that only one of the two gets right.${isLimited && limitedCaption}`,
    columns: [
      { title: "task" },
      { title: "metric" },
      { title: "of" },
      { title: "change", numeric: true },
      { title: "from", numeric: true },
      { title: "to", numeric: true },
      { title: "the interval shows" },
      { title: "only float right", numeric: true },
      { title: "only this right", numeric: true },
      { title: "p", numeric: true },
      { title: "same answer", numeric: true },
      { title: "divergence", numeric: true },
    ],
    rows: pairs.map(({ measure, each, change }) => differenceRow(measure, each, change)),
  });
}

function isCompared({ change, agreement, divergence }: Measured): boolean {
  return Boolean(change?.interval ?? change?.mcnemar) || agreement !== null || divergence !== null;
}

function differenceRow(measure: Measure, each: Measured, change: Change): readonly Cell[] {
  const { mcnemar, interval } = change;
  return [
    measure.limited ? `${measure.task} †` : measure.task,
    measure.metric,
    each.subject,
    changeOf(change),
    interval && boundOf(change, interval, 0),
    interval && boundOf(change, interval, 1),
    interval && verdict(measure, change, interval),
    mcnemar && whole(mcnemar.onlyReference, "examples"),
    mcnemar && whole(mcnemar.onlyModel, "examples"),
    mcnemar && quantity(mcnemar.p, mcnemar.p.toPrecision(2), "p of McNemar's exact test, two-sided"),
    each.agreement === null ? null : percent(each.agreement, "share of equal answers"),
    each.divergence === null ? null : threeDigits(each.divergence, "nats"),
  ];
}

/** What an interval says of the change: its direction, or that none is shown. */
function verdict({ higherIsBetter }: Measure, { kind }: Change, [low, high]: readonly [number, number]) {
  const none = kind === "ratio" ? 1 : 0;
  if (low <= none && none <= high) return "no difference";
  return low > none === higherIsBetter ? "better" : "worse";
}
