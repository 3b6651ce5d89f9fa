import type { Change, Measure, Measured } from "./measures.js";

/** What a score was computed from, in words. */
export function scoreSubject({
  of,
  target,
}: {
  readonly of: "checkpoint" | "run";
  readonly target: string | null;
}): string {
  if (of === "checkpoint") return "checkpoint, float";
  return target === null ? "quantized, float arithmetic" : `${target} pack, LUT engine`;
}

/** `36.570`, `0.8131`: perplexities with three decimals, all else with four. */
export function scoreText(value: number, metric: string): string {
  return value.toFixed(metric.includes("perplexity") ? 3 : 4);
}

/** `1.0531 ×`, `−0.0046`. */
export function changeText(kind: Change["kind"], value: number): string {
  if (kind === "ratio") return `${value.toFixed(4)} ×`;
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}

/** `0.8131 ± 0.0132 †`: the dagger where it is limited. */
export function valueText(
  { metric, limited }: Pick<Measure, "metric" | "limited">,
  { value, standardError }: Measured,
): string {
  const error = standardError === null ? "" : ` ± ${scoreText(standardError, metric)}`;
  return `${scoreText(value, metric)}${error}${limited ? " †" : ""}`;
}

/** `−0.0300 to +0.0100`; empty without one. */
export function intervalText(change: Change | null): string {
  if (!change?.interval) return "";
  return change.interval.map((bound) => changeText(change.kind, bound)).join(" to ");
}

/** `limited: the first 100 of 872 examples`. */
export function limitText({ examples, available }: NonNullable<Measure["limited"]>): string {
  return `limited: the first ${examples} of ${available} examples`;
}

/** What decides the value besides the data, and whether it was limited. */
export function conventionText({ convention, limited }: Pick<Measure, "convention" | "limited">): string {
  return limited ? `${convention}; † ${limitText(limited)}` : convention;
}

/** `sst2/dev.tsv, validation`. */
export function dataText({ data }: Pick<Measure, "data">): string {
  return [data.name, data.split].filter(Boolean).join(", ");
}
