import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { linearSteps } from "../../../src/report/page/color-steps.js";
import { heatMapSvg, type LinearValue } from "../../../src/report/page/heat-map.js";

function draw(values: readonly LinearValue[]) {
  const svg = heatMapSvg({
    ...{ values, title: "errors", legend: "relative error, %" },
    steps: linearSteps(values.map(({ value }) => value)),
    text: (value) => (100 * value).toFixed(1),
    wholeText: (value) => `relative error ${value}`,
  });
  return parseHTML(`<html><body>${svg.html}</body></html>`).document;
}

const grid = (blocks: number) =>
  Array.from({ length: blocks }, (_, block) =>
    ["q_proj", "o_proj"].map((kind, at) => ({
      name: `model.layers.${block}.self_attn.${kind}`,
      value: 0.1 + block / 100 + at / 1000,
    })),
  ).flat();

const tooltips = (document: ReturnType<typeof draw>) =>
  [...document.querySelectorAll("rect > title")].map(({ textContent }) => textContent).sort();

test("each linear is a cell whose tooltip has its name and whole number, and which shows it without colour", () => {
  const document = draw(grid(3));
  expect(tooltips(document)).toEqual(
    grid(3)
      .map(({ name, value }) => `${name}\nrelative error ${value}`)
      .sort(),
  );
  const texts = [...document.querySelectorAll("g.on-low text, g.on-high text")].map(
    (text) => text.firstChild?.textContent,
  );
  expect(texts.sort()).toEqual(["10.0", "10.1", "11.0", "11.1", "12.0", "12.1"]);
});

test("the least and the most have the first and the last colour", () => {
  const document = draw(grid(20));
  expect(document.querySelector("g.step-0 rect title")?.textContent).toContain("layers.0.self_attn.q_proj");
  expect([...document.querySelectorAll("g.step-6 rect title")].at(-1)?.textContent).toContain("layers.19");
});

test("of the experts of one place the worst is shown", () => {
  const experts = [0.2, 0.5, 0.3].map((value, at) => ({
    name: `model.layers.0.mlp.experts.${at}.up_proj`,
    value,
  }));
  expect(tooltips(draw(experts))).toEqual([
    "model.layers.0.mlp.experts.1.up_proj\nrelative error 0.5\nthe most of 3 linears",
  ]);
});

test("a linear outside of all blocks stands behind them", () => {
  const document = draw([...grid(2), { name: "lm_head", value: 0.3 }]);
  const labels = [...document.querySelectorAll("[aria-label='x-axis tick label'] text")];
  expect(labels.map(({ textContent }) => textContent)).toEqual(["0", "1", "–"]);
});

test("a hostile name is a text", () => {
  const document = draw([{ name: "model.layers.0.<img src=x onerror=alert(1)>", value: 0.1 }]);
  expect(document.querySelector("img")).toBeNull();
  expect(tooltips(document)[0]).toContain("<img");
});
