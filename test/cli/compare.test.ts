import { readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { summarizeRun } from "../../src/report/summary.js";
import { writeReport } from "../../src/report/write.js";
import { quantizeBundled, suiteFolder } from "../pipeline/run.js";
import { madeUpTaskScores } from "../report/made-up-summary.js";
import { luthier } from "./luthier.js";

const folder = suiteFolder();
const [four, three] = [path.join(folder, "four"), path.join(folder, "three")];

beforeAll(async () => {
  await quantizeBundled("rtn-int4-g128", four);
  await quantizeBundled("trit-planes-g128", three);
  for (const run of [four, three]) await writeReport(await summarizeRun(run, madeUpTaskScores("glue:sst2")));
});

test("runs stand side by side with bits, bytes, cost and scores", async () => {
  const { code, out } = await luthier("compare", four, three);
  expect(code).toBe(0);
  const lines = out.split("\n");
  expect(lines.find((line) => line.startsWith("four "))).toMatch(
    /rtn-int4-g128 +4\.19 +1\.57 MiB +t-mac 4\.50 bits/,
  );
  expect(lines.find((line) => line.startsWith("three "))).toMatch(/trit-planes-g128 +3\.45 .* cycles \(/);
  expect(out).toContain("glue:sst2: acc, higher is better");
  expect(out).toContain("0.8074 ± 0.0132 (−0.0057)");
});

test("the same for machines, and as a page", async () => {
  const page = path.join(folder, "comparison.html");
  const { code, out } = await luthier("compare", four, three, "--json", "--html", page);
  expect(code).toBe(0);
  const { runs, scores } = JSON.parse(out);
  expect(runs.map(({ name }: { name: string }) => name)).toEqual(["four", "three"]);
  expect(scores[0].rows[0].scores.map(({ value }: { value: number }) => value)).toEqual([0.8131, 0.8131]);
  expect(readFileSync(page, "utf8")).toContain("2 runs of ");
});

test("one run alone is wrong usage", async () => {
  const { code, err } = await luthier("compare", four);
  expect(code).toBe(2);
  expect(err).toContain("one run has nothing to be compared with");
});
