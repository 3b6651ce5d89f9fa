import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { estimate } from "../../src/pipeline/estimate.js";
import { loadDevice } from "../../src/recipe/device.js";
import { rooflineSvg } from "../../src/report/roofline.js";
import { findTarget } from "../../src/targets/registry.js";
import { bundledModel } from "../pipeline/run.js";

const svgOf = async (target: string, device: string) =>
  rooflineSvg(
    await estimate({
      ...{ path: bundledModel, target: findTarget(target), device: await loadDevice(device) },
      ...{ prefill: 64, decode: 1 },
    }),
  );
const parse = (svg: string) => parseHTML(`<html><body>${svg}</body></html>`).document;

test("every kind of linear is named, for the prompt and for one token", async () => {
  const document = parse(await svgOf("tellme", "kv260"));
  const named = (phase: string) =>
    [...document.querySelectorAll(`g.${phase} text`)]
      .flatMap((label) => (label.textContent ?? "").split(", "))
      .sort();
  expect(named("prefill")).toEqual(["down", "gate", "k", "o", "q", "up", "v"]);
  expect(named("decode")).toEqual(["down", "gate", "head", "k", "o", "q", "up", "v"]); // the float head is only read
});

test("the roofs are drawn: the memory's slope and a level a scheme", async () => {
  const document = parse(await svgOf("tellme", "kv260"));
  expect(document.querySelectorAll("g.roof path").length).toBe(2);
  const labels = [...document.querySelectorAll("g.roof-label text")].map(({ textContent }) => textContent);
  expect(labels[0]).toBe("17.1 GB/s off-chip");
  expect(labels[1]).toMatch(/op\/s, ternary tensor$/);
});

test("it is a whole file for light and dark that fetches nothing", async () => {
  const svg = await svgOf("t-mac", "surface-book-3");
  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  expect(svg).toContain("prefers-color-scheme: dark");
  expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(
    /https?:|<script|url\(|@import|NaN/,
  );
});

test("the same estimate gives the same bytes", async () => {
  expect(await svgOf("tellme", "kv260")).toBe(await svgOf("tellme", "kv260"));
});

test("a phase without an estimate is left out", async () => {
  const document = parse(await svgOf("lut-gemm", "a100"));
  expect(document.querySelectorAll("g.prefill text").length).toBe(0);
  expect(document.querySelectorAll("g.decode text").length).toBeGreaterThan(0);
});
