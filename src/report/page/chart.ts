import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type Html, html, trusted } from "./html.js";

/** A picture of a page with what it says in words. */
export interface Chart {
  /** Of the page, and of the file that it is downloaded as. */
  readonly id: string;
  readonly title: string;
  /** What it shows, for who cannot see it, and how to read it. */
  readonly caption: Html | string;
  readonly svg: Html;
}

/** A figure that the page's script makes downloadable; wide pictures scroll within it. */
export function chart({ id, title, caption, svg }: Chart): Html {
  return html`
<figure class="chart" id="${id}">
<h3>${title}</h3>
<div class="scroll" role="region" aria-label="${title}" tabindex="0">${svg}</div>
<figcaption>${caption}</figcaption>
</figure>`;
}

/** A plot as SVG whose colours come from the page's variables. @param title for who cannot see it. */
export function plotSvg(title: string, options: Plot.PlotOptions): Html {
  const { document } = parseHTML("<html><body></body></html>");
  const svg = Plot.plot({ ...options, document, className: "plot" });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  svg.removeAttribute("font-family");
  svg.querySelector("style")?.remove();
  return trusted(svg.outerHTML);
}
