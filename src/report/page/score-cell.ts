import type { Change, Measure, Measured } from "../measures.js";
import { changeText, limitText, scoreText } from "../score-text.js";
import { type Html, html } from "./html.js";
import { number, type Quantity, quantity } from "./number.js";
import type { NotedQuantity } from "./table.js";

export const scoreCellCaption =
  "± is the standard error. Below each score its change from the checkpoint in float, with its 95 % interval in brackets where the examples were compared pair by pair.";

/** Behind a caption of tables of scores some of which are limited. */
export const limitedCaption = html` <span class="limited">† limited: only the first examples were scored.</span>`;

type What = Pick<Measure, "metric" | "limited">;

/** `0.8131 ± 0.0132`, marked where it is limited; below it the change from the checkpoint with its interval. */
export function scoreCell({ metric, limited }: What, measured: Measured): NotedQuantity {
  const { value, standardError, change } = measured;
  const error =
    standardError === null
      ? null
      : quantity(standardError, scoreText(standardError, metric), `standard error of ${metric}`);
  const note = html`${error && html` ± ${number(error)}`}${limited && limitMark(limited)}${
    change && html`<span class="beside">${number(changeOf(change))}${intervalHtml(change)}</span>`
  }`;
  return { ...quantity(value, scoreText(value, metric), metric), note };
}

function limitMark(limited: NonNullable<Measure["limited"]>): Html {
  return html`<span class="limited n" title="${limitText(limited)}">†</span>`;
}

function intervalHtml(change: Change): Html | null {
  return (
    change.interval &&
    html` [${number(boundOf(change, change.interval, 0))}, ${number(boundOf(change, change.interval, 1))}]`
  );
}

export function changeOf({ kind, value }: Change): Quantity {
  return quantity(value, changeText(kind, value), kind === "ratio" ? "times the checkpoint's" : "difference");
}

export function boundOf({ kind }: Change, interval: readonly [number, number], at: 0 | 1): Quantity {
  const bound = at === 0 ? "lower" : "upper";
  return quantity(interval[at], changeText(kind, interval[at]), `${bound} bound of the 95 % interval`);
}
