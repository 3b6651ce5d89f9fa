import { bytesText, countText } from "../text.js";
import { type Html, html } from "./html.js";

/** A number as a page shows it: rounded for the eye, whole in its tooltip, in CSV and when a table is sorted. */
export interface Quantity {
  readonly value: number;
  readonly text: string;
  /** `bytes`, `bits per weight`, `nats a token`; empty where it has none. */
  readonly unit: string;
}

export function quantity(value: number, text: string, unit = ""): Quantity {
  return { value, text, unit };
}

export function bytes(value: number): Quantity {
  return quantity(value, bytesText(value), "bytes");
}

export function count(value: number, unit: string): Quantity {
  return quantity(value, countText(value), unit);
}

/** Every digit of a small whole number. */
export function whole(value: number, unit: string): Quantity {
  return quantity(value, String(value), unit);
}

export function bits(value: number): Quantity {
  return quantity(value, value.toFixed(2), "bits per weight");
}

export function threeDigits(value: number, unit: string): Quantity {
  return quantity(value, value.toPrecision(3), unit);
}

/** A share of one, in percent. */
export function percent(share: number, unit: string, digits = 2): Quantity {
  return quantity(share, `${(100 * share).toFixed(digits)} %`, unit);
}

/** `0.0953145 relative error`: what stands in a tooltip. */
export function wholeText({ value, unit }: Quantity): string {
  return `${value} ${unit}`.trim();
}

export function number(shown: Quantity): Html {
  return html`<span class="n" title="${wholeText(shown)}">${shown.text}</span>`;
}
