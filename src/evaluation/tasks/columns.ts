import { LuthierError } from "../../error.js";
import type { Row } from "../task.js";

/*
 * Columns of a row, whoever published the table: each is asked for by the names that it goes by, the hub's first.
 */

/** @throws LuthierError when the row has no such column, or it is no text. */
export function textColumn(row: Row, ...names: readonly string[]): string {
  const { name, value } = columnOf(row, names);
  if (typeof value !== "string") throw unfit(name, value, "a text");
  return value;
}

/** @throws LuthierError when the row has no such column, or it is no list of texts. */
export function textsColumn(row: Row, ...names: readonly string[]): readonly string[] {
  const { name, value } = columnOf(row, names);
  if (!isTexts(value)) throw unfit(name, value, "a list of texts");
  return value;
}

/**
 * A class as tables write it: its number, its name in `classes`, or true and false of two classes; null where it is hidden, as
 * in published tests: -1, `-`, nothing.
 *
 * @throws LuthierError when the row has no such column, or it is none of the classes.
 */
export function classColumn(
  row: Row,
  classes: readonly string[],
  ...names: readonly string[]
): number | null {
  const { name, value } = columnOf(row, names);
  if (typeof value === "boolean" && classes.length === 2) return Number(value);
  if (isHidden(value)) return null;
  const written = plain(value);
  const named = (each: string) => each.toLowerCase() === written.toLowerCase();
  const index = /^\d+$/.test(written) ? Number(written) : classes.findIndex(named);
  if (index >= 0 && index < classes.length) return index;
  throw unfit(name, value, `a class: 0 to ${classes.length - 1}, or ${classes.join(", ")}`);
}

/**
 * A number between two others; null where it is hidden, as in published tests: -1, nothing.
 *
 * @throws LuthierError when the row has no such column, or it is no such number.
 */
export function numberColumn(
  row: Row,
  [least, most]: readonly [number, number],
  ...names: readonly string[]
): number | null {
  const { name, value } = columnOf(row, names);
  if (isHidden(value)) return null;
  const number = Number(plain(value));
  if (number >= least && number <= most) return number;
  throw unfit(name, value, `a number from ${least} to ${most}`);
}

/** @throws LuthierError when the row has none of these columns. */
export function columnOf(row: Row, names: readonly string[]): { name: string; value: unknown } {
  const name = names.find((each) => hasColumn(row, each));
  if (name !== undefined) return { name, value: row[name] };
  const others = names.length > 1 ? ` (nor ${names.slice(1).join(", ")})` : "";
  throw new LuthierError(
    `a row has no column ${names[0]}${others}; it has ${Object.keys(row).join(", ") || "none"}`,
    `Give a table with the columns of the task's data set: docs/tasks.md lists them.`,
  );
}

export function hasColumn(row: Row, name: string): boolean {
  return Object.hasOwn(row, name) && row[name] !== undefined;
}

export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

/** Says that a column's value is not what the task takes. */
export function unfit(name: string, value: unknown, wanted: string): LuthierError {
  return new LuthierError(
    `the column ${name} of a row is ${shown(value)}, not ${wanted}`,
    "Correct the table, or give the task's own data set: docs/tasks.md lists the columns.",
  );
}

function shown(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return `an object of ${Object.keys(value).join(", ") || "nothing"}`;
  return JSON.stringify(String(value).slice(0, 60));
}

/** -1, `-`, an empty cell or null, whichever the table writes for a hidden label. */
function isHidden(value: unknown): boolean {
  if (value === null) return true;
  const written = plain(value);
  return written === "" || written === "-" || Number(written) === -1;
}

function plain(value: unknown): string {
  return typeof value === "object" ? shown(value) : String(value).trim();
}
