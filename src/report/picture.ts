import * as Plot from "@observablehq/plot";
import type { parseHTML } from "linkedom";

/* What the pictures of reports share: a file that is whole, headings, and labels that lie on nothing else. */

/**
 * The file of a plot: no script, no font and no address outside of it.
 * @param styles rules for the plot's classes, for light and dark by the reader's setting.
 * @param summary what it shows, for who cannot see it.
 */
export function svgFile(
  document: ReturnType<typeof parseHTML>["document"],
  svg: ReturnType<typeof Plot.plot>,
  styles: string,
  summary: string,
): string {
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  svg.querySelector("style")?.remove();
  const style = document.createElement("style");
  style.textContent = styles;
  const title = document.createElement("title");
  title.textContent = summary;
  svg.prepend(title, style);
  return `${svg.outerHTML}\n`;
}

/** A line above the plot. */
export function heading(text: string, dy: number, fontSize: number, fontWeight: string) {
  return Plot.text([text], { frameAnchor: "top-left", text: (line) => line, dy, fontSize, fontWeight });
}

/** A dot in pixels, and what stands beside it. */
export interface LabelledDot {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

/** For each dot how far its label's middle is from it: the first place where it lies on no dot and on no other label. */
export function labelPlaces(dots: readonly LabelledDot[]): readonly (readonly [dx: number, dy: number])[] {
  const taken = dots.map(({ x, y }) => box(x, y, 14, 14));
  return dots.map(({ x, y, text }) => {
    const wide = text.length * characterWidth;
    const at = ([dx, dy]: readonly [number, number]) => box(x + dx, y + dy, wide, 13);
    const beside = 12 + wide / 2;
    const places = [
      ...[16, -18, 30, -32, 44].map((dy) => [0, dy] as const),
      ...[beside, -beside].map((dx) => [dx, 0] as const),
    ];
    const place = places.find((each) => !taken.some((other) => overlap(at(each), other))) ?? places[0];
    taken.push(at(place));
    return place;
  });
}

const characterWidth = 6;

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function box(x: number, y: number, wide: number, high: number): Box {
  return { left: x - wide / 2, right: x + wide / 2, top: y - high / 2, bottom: y + high / 2 };
}

function overlap(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
