import { type Provenance, provenanceRows } from "../provenance.js";
import type { Section } from "./shell.js";
import { dataTable } from "./table.js";

/** What the run was made from, and with which software. */
export function provenanceSection(provenance: Provenance): Section {
  return {
    id: "provenance",
    title: "Made from",
    body: dataTable({
      id: "provenance-table",
      caption: "Files of the checkpoint and texts by their sha256, software by its version.",
      columns: [{ title: "what" }, { title: "sha256 or version" }],
      rows: provenanceRows(provenance),
    }),
  };
}
