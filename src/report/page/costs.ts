import type { Estimate, Phase } from "../../pipeline/estimate-linears.js";
import { rooflineSvg } from "../roofline.js";
import { countText, secondsText } from "../text.js";
import { chart } from "./chart.js";
import { type Html, html, trusted } from "./html.js";
import { bytes, count, percent, quantity, whole } from "./number.js";
import type { Section } from "./shell.js";
import { dataTable } from "./table.js";

/** What cost models say of each pack on a device: a roofline, and every kind of linear. */
export function costsSection(estimates: readonly Estimate[]): Section {
  return {
    id: "costs",
    title: "Costs by the cost model",
    body: html`<p>Bounds from the formulas of each target's source, not measurements.</p>${estimates.map(estimateHtml)}`,
  };
}

function estimateHtml(estimate: Estimate, at: number): Html {
  const { target, device, source, prefill, decode } = estimate;
  const phases = [prefill, decode].flatMap((phase) => ("refused" in phase ? [] : phase));
  return html`
${chart({
  id: `roofline-chart-${at}`,
  title: `Roofline: ${target} on ${device.name}`,
  caption: `${device.what}. ${phases.map(phaseText).join("; ")}. Formulas: ${source}. Under the slope a linear waits for memory, under a level for the target's units.`,
  svg: trusted(rooflineSvg(estimate)),
})}
${dataTable({
  id: `costs-table-${at}`,
  caption: `Linears of ${target} on ${device.name}, all of one kind together.`,
  columns: [
    { title: "linears" },
    { title: "tokens", numeric: true },
    { title: "count", numeric: true },
    { title: "outputs × inputs" },
    { title: "scheme" },
    { title: "cycles", numeric: true },
    { title: "share", numeric: true },
    { title: "lookups", numeric: true },
    { title: "off-chip", numeric: true },
    { title: "waits for" },
  ],
  rows: phases.flatMap((phase) =>
    phase.kinds.map((kind) => [
      kind.kind,
      whole(phase.tokens, "tokens"),
      whole(kind.count, "linears"),
      `${kind.rows} × ${kind.columns}`,
      kind.scheme,
      quantity(kind.cycles, countText(Math.round(kind.cycles)), "cycles"),
      percent(kind.cycles / phase.cycles, "of the cycles of all linears", 1),
      count(kind.lookups, "lookups"),
      bytes(Math.round(kind.offChipBytes)),
      kind.bound,
    ]),
  ),
})}`;
}

/** `prompt of 128 tokens: 1.2 ms, 90 k tokens a second`. */
function phaseText({ tokens, seconds, tokensPerSecond }: Phase): string {
  const what = tokens === 1 ? "one token" : `prompt of ${tokens} tokens`;
  const time = seconds < 1 ? `${Number((1000 * seconds).toPrecision(3))} ms` : secondsText(seconds);
  return `${what}: ${time}, ${countText(Number(tokensPerSecond.toPrecision(3)))} tokens a second`;
}
