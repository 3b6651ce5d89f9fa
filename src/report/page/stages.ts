import type { RunSummary } from "../summary.js";
import { secondsText } from "../text.js";
import { html } from "./html.js";
import { bytes, quantity } from "./number.js";
import type { Section } from "./shell.js";
import { dataTable } from "./table.js";

/** What the run's plan says, and what its stages took. */
export function stagesSection({ stages, notes }: Pick<RunSummary, "stages" | "notes">): Section {
  return {
    id: "stages",
    title: "Stages",
    body: html`${notes.map((note) => html`<p>${note}</p>`)}
${dataTable({
  id: "stages-table",
  caption: "Time of each stage, and the most memory that the process had held by its end.",
  columns: [{ title: "stage" }, { title: "time", numeric: true }, { title: "peak memory", numeric: true }],
  rows: stages.map(({ name, seconds, peakMemoryBytes }) => [
    name,
    quantity(seconds, secondsText(seconds), "seconds"),
    bytes(peakMemoryBytes),
  ]),
})}`,
  };
}
