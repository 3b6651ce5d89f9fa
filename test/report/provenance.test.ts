import path from "node:path";
import { expect, test } from "vitest";
import { hashFile } from "../../src/checkpoint/file-hash.js";
import { reportMarkdown } from "../../src/report/markdown.js";
import { reportPage } from "../../src/report/page/report-page.js";
import { runDetails } from "../../src/report/run-details.js";
import { summarizeRun } from "../../src/report/summary.js";
import { bundledModel, quantizeBundled, temporaryFolder } from "../pipeline/run.js";

test("a run's reports name what it was made from: files by sha256, software by version, the platform", async () => {
  const run = temporaryFolder();
  await quantizeBundled("rtn-int2-g64", run);
  const summary = await summarizeRun(run);
  const { sha256 } = await hashFile(path.join(bundledModel, "model.safetensors"));
  expect(summary.provenance.inputs.find(({ name }) => name === "model.safetensors")?.sha256).toBe(sha256);
  expect(Object.keys(summary.provenance.versions)).toEqual(
    expect.arrayContaining(["luthier", "node", "onnxruntime-node", "platform", "processor"]),
  );
  for (const report of [reportMarkdown(summary), reportPage(summary, await runDetails(run))]) {
    expect(report).toContain(sha256);
    for (const version of Object.values(summary.provenance.versions)) expect(report).toContain(version);
  }
});
