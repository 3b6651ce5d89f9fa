import path from "node:path";
import { makeFolder, writeAtomically } from "../checkpoint/atomic.js";
import { reportMarkdown } from "./markdown.js";
import { reportPage } from "./page/report-page.js";
import { reportJson } from "./report-file.js";
import { runDetails } from "./run-details.js";
import type { RunSummary } from "./summary.js";

/** Writes `report.json`, `report.md` and `report.html` into `reports/` of the run's folder. */
export async function writeReport(summary: RunSummary): Promise<void> {
  const folder = path.join(summary.run, "reports");
  await makeFolder(folder);
  await writeAtomically(path.join(folder, "report.json"), [
    Buffer.from(`${JSON.stringify(reportJson(summary), null, 2)}\n`),
  ]);
  await writeAtomically(path.join(folder, "report.md"), [Buffer.from(reportMarkdown(summary))]);
  await writeAtomically(path.join(folder, "report.html"), [
    Buffer.from(reportPage(summary, await runDetails(summary.run))),
  ]);
}
