import fc from "fast-check";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { html, trusted } from "../../../src/report/page/html.js";

test("whatever a text holds, it is a text: between tags and in attributes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme-ascii" }), (text) => {
      const { document } = parseHTML(
        `<html><body>${html`<p title="${text}">${text}</p>`.html}</body></html>`,
      );
      const [p, ...others] = document.body.querySelectorAll("*");
      expect(others).toEqual([]);
      expect(p.textContent).toBe(text);
      expect(p.getAttribute("title")).toBe(text);
    }),
  );
});

test("HTML in HTML stays, lists are joined, nothing is nothing", () => {
  const items = ["a", "<"].map((each) => html`<li>${each}</li>`);
  expect(html`<ul>${items}${null}${undefined}${false}${0}${trusted("<hr>")}</ul>`.html).toBe(
    "<ul><li>a</li><li>&#60;</li>0<hr></ul>",
  );
});
