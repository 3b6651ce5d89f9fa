import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

const program = path.join(import.meta.dirname, "../../dist/cli/luthier.js");

/** An environment in which `luthier` is the built command line, as scripts of users call it; gone when the test ends. */
export function luthierOnPath(): { readonly PATH: string } {
  const folder = mkdtempSync(path.join(tmpdir(), "luthier-bin-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const command = path.join(folder, "luthier");
  writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, { mode: 0o755 });
  return { PATH: `${folder}${path.delimiter}${process.env.PATH}` };
}
