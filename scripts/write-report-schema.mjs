// Writes reports/report.schema.json from the schema that reports are read by; a test holds the two together.
import { mkdirSync, writeFileSync } from "node:fs";
import { packagePath } from "../dist/src/package.js";
import { reportJsonSchema } from "../dist/src/report/report-file.js";

mkdirSync(packagePath("reports"), { recursive: true });
writeFileSync(packagePath("reports/report.schema.json"), `${JSON.stringify(reportJsonSchema(), null, 2)}\n`);
