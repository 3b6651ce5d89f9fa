import { measuresOf } from "../measures.js";
import { modelName, recipeName } from "../names.js";
import type { RunDetails } from "../run-details.js";
import type { RunSummary } from "../summary.js";
import { bytesText, countText, secondsText } from "../text.js";
import { costsSection } from "./costs.js";
import { errorFacts, errorsSection } from "./errors.js";
import { headlineSection } from "./headline.js";
import { histogramsSection } from "./histograms.js";
import { html } from "./html.js";
import { bytes, number, quantity } from "./number.js";
import { provenanceSection } from "./provenance.js";
import { sensitivitySection } from "./sensitivity.js";
import { type Fact, pageHtml, type Section } from "./shell.js";
import { sizesSection } from "./sizes.js";
import { stagesSection } from "./stages.js";

/** `reports/report.html`: what a run came to, on one page that is a whole file. */
export function reportPage(summary: RunSummary, details: RunDetails): string {
  const { histograms, search, estimates, leftOut } = details;
  const measures = measuresOf(summary.scores);
  const sections: readonly (Section | readonly [])[] = [
    measures.length > 0 ? headlineSection(measures) : [],
    sizesSection(summary.parts, summary.packs),
    errorsSection(summary.linears),
    histograms.linears.length > 0 ? histogramsSection(histograms) : [],
    search ? sensitivitySection(search) : [],
    estimates.length > 0 ? costsSection(estimates) : [],
    stagesSection(summary),
    provenanceSection(summary.provenance),
  ];
  return pageHtml({
    name: fileName(recipeName(summary.recipe)),
    kind: "run report",
    title: `${recipeName(summary.recipe)} on ${modelName(summary.model)}`,
    facts: factsOf(summary),
    sections: sections.flat(),
    foot: html`
${leftOut.length > 0 && html`<p>Not on this page:</p><ul>${leftOut.map((each) => html`<li>${each}</li>`)}</ul>`}
<p>Run ${summary.run}, of ${summary.model} by ${summary.recipe}. Point at a number, or tap it, to see it in full.</p>`,
  });
}

function factsOf(summary: RunSummary): readonly Fact[] {
  const { linears, packs, quantizedBytes, quantizedBitsPerWeight, quantizedWeights } = summary;
  const bits = (value: number) =>
    number(quantity(value, `${value.toFixed(2)} bits`, "bits per weight of the quantized linears"));
  const errors = linears.length > 0 ? errorFacts(linears) : null;
  const seconds = summary.stages.reduce((sum, stage) => sum + stage.seconds, 0);
  return [
    {
      name: "quantized linears, as stored",
      value: bits(quantizedBitsPerWeight),
      more: html`a weight, ${number(bytes(quantizedBytes))}`,
    },
    ...packs.map((pack) => ({
      name: `${pack.target} pack`,
      value: bits(pack.bitsPerWeight),
      more: html`a weight, ${number(bytes(pack.bytes))}`,
    })),
    {
      name: "weights quantized",
      value: number(quantity(quantizedWeights, countText(quantizedWeights), "weights")),
      more: `in ${linears.length} linears`,
    },
    ...(errors
      ? [
          {
            name: "relative error, mean",
            value: number(errors.mean),
            more: html`worst ${number(errors.worst)}, ${errors.worstName}`,
          },
        ]
      : []),
    {
      name: "time",
      value: number(quantity(seconds, secondsText(seconds), "seconds, all stages")),
      more: `peak memory ${bytesText(Math.max(0, ...summary.stages.map((stage) => stage.peakMemoryBytes)))}`,
    },
  ];
}

/** Letters, digits, dots and dashes of it. */
export function fileName(text: string): string {
  return text.replace(/[^\w.-]+/g, "-").slice(-60);
}
