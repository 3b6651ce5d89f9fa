import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { writeMadeUpModel } from "../pipeline/made-up-model.js";
import { suiteFolder } from "../pipeline/run.js";
import { luthier } from "./luthier.js";

const folder = suiteFolder();
const text = path.join(import.meta.dirname, "../../calibration/the-miller-of-ashcombe.txt");
const measured = ["--text", text, "--samples", "8", "--length", "32"];
const candidates = path.join(folder, "candidates.yaml");
let model = "";
beforeAll(async () => {
  model = await writeMadeUpModel(path.join(folder, "model"));
  writeFileSync(
    candidates,
    [2, 3, 4].map((bits) => `- quantize: { method: rtn, bits: ${bits}, group: 64 }\n`).join(""),
  );
});

test("a search by commands: found, quantized, and compared in a second search that measures little", async () => {
  const [out, run] = [path.join(folder, "search"), path.join(folder, "run")];
  const args = [
    "search",
    model,
    "--budget",
    "3.3bits",
    "--candidates",
    candidates,
    ...measured,
    "--out",
    out,
  ];
  const first = await luthier(...args);
  expect(first).toMatchObject({ code: 0 });
  expect(first.err).toContain("sensitivities: 2/2");
  expect(first.out).toMatch(/^model: 3\.\d+ bits per weight/);
  expect(first.out).toMatch(/model\.layers\.1\.mlp\.down_proj +rtn: int\d g64/);
  for (const file of ["recipe.yaml", "search.json", "search.md", "frontier.svg"])
    expect(existsSync(path.join(out, file))).toBe(true);

  const recipe = path.join(out, "recipe.yaml");
  expect(await luthier("quantize", model, "--recipe", recipe, "--out", run)).toMatchObject({ code: 0 });
  const second = await luthier(...args, "--compare", run, "--json");
  expect(second.err).not.toContain("sensitivities");
  const { found, compared, linears } = JSON.parse(second.out);
  expect(found.bitsPerWeight).toBeLessThanOrEqual(3.3);
  expect(compared[0]).toMatchObject({ name: "run", bytes: found.bytes });
  expect(linears).toHaveLength(14);
  expect(JSON.parse(readFileSync(path.join(out, "search.json"), "utf8"))).toEqual(JSON.parse(second.out));
});

test("cycles of a target on a device are a budget", async () => {
  const { code, out } = await luthier(
    ...["search", model, "--budget", "400kcycles", "--target", "t-mac", "--device", "surface-book-3"],
    ...["--candidates", candidates, ...measured, "--out", path.join(folder, "cycles"), "--json"],
  );
  expect(code).toBe(0);
  const { found, target, device } = JSON.parse(out);
  expect(found.cycles).toBeLessThanOrEqual(400_000);
  expect([target.target, device]).toEqual(["t-mac", "surface-book-3"]);
});

test("help has examples", async () => {
  const { out } = await luthier("search", "--help");
  expect(out).toContain("luthier search models/tiny --budget 3");
});

describe("wrong usage leaves with 2 and says the way out", () => {
  const cases: [string, readonly string[], RegExp][] = [
    ["no budget", ["--text", text], /--budget/],
    ["a budget that is none", ["--budget", "three", "--text", text], /bits a weight \(3, 3\.2bits\)/],
    ["no text", ["--budget", "3"], /--text/],
    ["a device without a target", ["--budget", "3", "--text", text, "--device", "kv260"], /give --target/i],
    [
      "an unknown method",
      ["--budget", "3", "--text", text, "--candidates", "[{ quantize: { method: rnt } }]"],
      /did you mean `rtn`/,
    ],
    [
      "a budget too small",
      ["--budget", "1", ...measured, "--candidates", "[{ quantize: { method: rtn, group: 64 } }]"],
      /raise the budget/i,
    ],
  ];
  test.each(cases)("%s", async (_, args, way) => {
    const { code, out, err } = await luthier("search", model, ...args, "--out", path.join(folder, "wrong"));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(way);
  });
});
