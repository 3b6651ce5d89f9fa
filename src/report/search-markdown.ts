import type { Scored } from "../search/scores.js";
import type { SearchResult } from "../search/search.js";
import { budgetText } from "../search/write-recipe.js";
import { bytesText, countText } from "./text.js";

/** `search.md`: what was found, how it compares, how far the prediction holds, and every linear with its alternatives. */
export function searchMarkdown(result: SearchResult): string {
  const { model, budget, found, text, target, device } = result;
  const on = target ? ` for ${target.target}${device ? ` on ${device}` : ""}` : "";
  return [
    `# Search: ${model}${on}`,
    "",
    `Budget: ${budgetText(budget)}. Found: ${sizeText(found)}, divergence ${measuredText(found.divergence)} nats a token (predicted ${measuredText(found.loss)}).`,
    boundText(found),
    "",
    `The recipe is [recipe.yaml](recipe.yaml). Text: ${text.name}, ${text.windows} windows of ${text.length} tokens, ${text.probedTokens} of them probed (sha256 ${text.sha256.slice(0, 16)}…).`,
    "",
    "![divergence over bits per weight](frontier.svg)",
    "",
    "## Measured",
    "",
    "Divergence is the mean Kullback–Leibler divergence of the next-token distributions from the float model's. Predicted is the sum over the linears: where it is far from measured, errors of linears do not add up.",
    "",
    ...tableOf(
      ["recipe", "bits per weight", "bytes", "predicted", "measured", "measured / predicted"],
      comparedRows(result),
    ),
    "",
    "## Linears",
    "",
    "Loss is the predicted divergence in nats a token; of alternatives that were probed with only this linear quantized, `=` marks what was measured.",
    "",
    ...tableOf(
      ["linear", "chosen", "bits per weight", "loss", "alternatives: bits, loss"],
      linearRows(result),
    ),
    "",
  ].join("\n");
}

/** `3.00 bits per weight, 1.13 MiB`, with the cycles where they are known. */
export function sizeText({ bitsPerWeight, bytes, cycles }: Scored): string {
  const perToken = cycles === null ? "" : `, ${countText(Math.round(cycles))} cycles a token`;
  return `${bitsPerWeight.toFixed(3)} bits per weight, ${bytesText(bytes)}${perToken}`;
}

/** How far the choice is from the best that there could be. */
export function boundText({ loss, bound }: SearchResult["found"]): string {
  if (bound === loss) return "No other choice of these candidates within the budget has less predicted loss.";
  const gap = ((100 * (loss - bound)) / loss).toFixed(2);
  return `The best choice has at most ${gap} % less predicted loss.`;
}

function comparedRows({ found, uniform, compared }: SearchResult): readonly (readonly string[])[] {
  const row = (name: string, { bitsPerWeight, bytes, loss, divergence }: SearchResult["found"] | Rival) => [
    name,
    bitsPerWeight.toFixed(3),
    bytesText(bytes),
    loss === null ? "–" : measuredText(loss),
    measuredText(divergence),
    loss === null ? "–" : (divergence / loss).toFixed(2),
  ];
  return [
    row("**found**", found),
    ...uniform.map((each) => row(`${each.candidate.name} for all`, each)),
    ...compared.map((each) => row(each.name, { ...each, loss: null })),
  ];
}

interface Rival {
  readonly bitsPerWeight: number;
  readonly bytes: number;
  readonly loss: number | null;
  readonly divergence: number;
}

function linearRows({ linears }: SearchResult): readonly (readonly string[])[] {
  return linears.map(({ name, options, chosen }) => {
    const { candidate, bitsPerWeight, loss } = options[chosen];
    const alternatives = options
      .filter((option) => option !== options[chosen])
      .map((option) => {
        const mark = option.divergence === null ? "" : " =";
        return `${option.candidate.name} (${option.bitsPerWeight.toFixed(2)}, ${measuredText(option.loss)}${mark})`;
      });
    return [name, candidate.name, bitsPerWeight.toFixed(2), measuredText(loss), alternatives.join("; ")];
  });
}

function measuredText(divergence: number): string {
  return divergence.toPrecision(3);
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}
