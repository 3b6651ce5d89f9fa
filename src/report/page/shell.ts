import { chartStyle } from "./chart-style.js";
import { type Html, html, trusted } from "./html.js";
import { pageScript } from "./script.js";
import { pageStyle } from "./style.js";

export interface Page {
  /** What files that are saved from it begin with. */
  readonly name: string;
  /** What it is, above the title. */
  readonly kind: string;
  readonly title: string;
  /** Under the title: what the reader wants to know first. */
  readonly facts: readonly Fact[];
  readonly sections: readonly Section[];
  readonly foot: Html;
}

export interface Fact {
  readonly name: string;
  readonly value: Html;
  /** Smaller, below. */
  readonly more: Html | string;
}

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

/** A file that is whole: it asks for nothing from outside, and the browser is told to let it ask for nothing. */
export function pageHtml({ name, kind, title, facts, sections, foot }: Page): string {
  return `${
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="generator" content="Luthier">
<link rel="icon" href="data:,">
<title>${title}</title>
<style id="chart-style">${trusted(chartStyle)}</style>
<style>${trusted(pageStyle)}</style>
</head>
<body data-name="${name}">
<header>
<p class="maker">Luthier · ${kind}</p>
<h1>${title}</h1>
<dl class="facts">${facts.map(
      (fact) => html`
<div><dt>${fact.name}</dt><dd>${fact.value}</dd><dd>${fact.more}</dd></div>`,
    )}
</dl>
<nav aria-label="Sections"><ul>${sections.map(
      (section) => html`<li><a href="#${section.id}">${section.title}</a></li>`,
    )}</ul></nav>
</header>
<main>${sections.map(
      (section) => html`
<section id="${section.id}">
<h2>${section.title}</h2>${section.body}
</section>`,
    )}
</main>
<footer>${foot}</footer>
<script>${trusted(pageScript)}</script>
</body>
</html>`.html
  }\n`;
}
