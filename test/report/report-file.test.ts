import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { packagePath } from "../../src/package.js";
import { earlierScores, reportJson, reportJsonSchema, scoresToKeep } from "../../src/report/report-file.js";
import { temporaryFolder } from "../pipeline/run.js";
import { madeUpPerplexities, madeUpSummary, madeUpTaskScores } from "./made-up-summary.js";

const scores = [...madeUpPerplexities("a.txt", 256), ...madeUpTaskScores("glue:sst2", true)];

function runWith(report: unknown): string {
  const run = temporaryFolder();
  mkdirSync(path.join(run, "reports"));
  writeFileSync(
    path.join(run, "reports", "report.json"),
    typeof report === "string" ? report : JSON.stringify(report),
  );
  return run;
}

test("scores of texts and of tasks are read back as they were written", async () => {
  expect(await earlierScores(runWith(reportJson(madeUpSummary(2, { scores }))))).toEqual(scores);
});

test("a run without a report has no scores yet", async () => {
  expect(await earlierScores(temporaryFolder())).toEqual([]);
});

test("a report that is damaged is named, with what is wrong in it", async () => {
  const report = { ...reportJson(madeUpSummary(1)), quantizedBytes: -1 };
  await expect(earlierScores(runWith(report))).rejects.toThrow(/report\.json is damaged.*quantizedBytes/);
  await expect(earlierScores(runWith("{"))).rejects.toThrow(/report\.json is damaged/);
});

test("of a damaged report no scores are kept when it is written anew", async () => {
  expect(await scoresToKeep(runWith(reportJson(madeUpSummary(2, { scores }))))).toEqual(scores);
  expect(await scoresToKeep(runWith('{"format":'))).toEqual([]);
});

test("the published schema is the one that reports are read by; `npm run schema` writes it", () => {
  const published = JSON.parse(readFileSync(packagePath("reports/report.schema.json"), "utf8"));
  expect(published).toEqual(JSON.parse(JSON.stringify(reportJsonSchema())));
  const { exports } = JSON.parse(readFileSync(packagePath("package.json"), "utf8"));
  expect(exports["./report.schema.json"]).toBe("./reports/report.schema.json");
});

test("every key of a report is in the schema", () => {
  const { properties } = reportJsonSchema() as { properties: Record<string, unknown> };
  expect(Object.keys(properties).sort()).toEqual(Object.keys(reportJson(madeUpSummary(1))).sort());
});
