/* HTML that is put together from parts: text is escaped, what is HTML already is not. */

/** HTML that is whole and safe to put into a page. */
export interface Html {
  readonly html: string;
}

/** Lists are put one after another; null, undefined and false are nothing. */
type Part = Html | string | number | null | undefined | false | readonly Part[];

/** A template whose values are escaped, as text or inside a quoted attribute, unless they are HTML. */
export function html(texts: TemplateStringsArray, ...values: readonly Part[]): Html {
  return { html: texts.reduce((whole, text, at) => whole + htmlOf(values[at - 1]) + text) };
}

/** For what another library wrote, such as an SVG picture. */
export function trusted(text: string): Html {
  return { html: text };
}

function htmlOf(part: Part): string {
  if (part === null || part === undefined || part === false) return "";
  if (typeof part === "string" || typeof part === "number") return escaped(String(part));
  return "html" in part ? part.html : part.map(htmlOf).join("");
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
