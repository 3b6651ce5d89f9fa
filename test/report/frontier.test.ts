import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { frontierSvg } from "../../src/report/frontier.js";
import { madeUpResult } from "../search/made-up.js";

const svg = frontierSvg(madeUpResult);
const { document } = parseHTML(`<html><body>${svg}</body></html>`);
const labels = (kind: string) =>
  [...document.querySelectorAll(`g.${kind} text`)].map(({ textContent }) => textContent);

test("what was found, the uniform recipes and the compared ones are numbered dots, and a list has their names", () => {
  expect(labels("found")).toEqual(["2", "2  found"]);
  const uniform = ["1  rtn: int2 g128", "3  rtn: int3 g128", "5  rtn: int4 g128"];
  expect(labels("uniform")).toEqual(["1", "3", "5", ...uniform]);
  expect(labels("compared")).toEqual(["4", "4  my-run"]);
  expect(document.querySelectorAll("g.uniform circle").length).toBe(3);
});

test("the best predicted choices are a line", () => {
  expect(document.querySelectorAll("g.best path").length).toBe(1);
});

test("it says in words what was found", () => {
  expect(document.querySelector("title")?.textContent).toMatch(/0\.100 nats a token at 3\.19 bits/);
});

test("it is a whole file for light and dark that fetches nothing, the same each time", () => {
  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  expect(svg).toContain("prefers-color-scheme: dark");
  expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(
    /https?:|<script|url\(|@import|NaN/,
  );
  expect(frontierSvg(madeUpResult)).toBe(svg);
});

test("a divergence of nothing has no place on a logarithmic scale", () => {
  const found = { ...madeUpResult.found, divergence: 0 };
  expect(frontierSvg({ ...madeUpResult, found })).not.toMatch(/NaN|Infinity/);
});
