import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { luthierOnPath } from "../cli/luthier-on-path.js";
import { bundledModel, hashesOf, quantizeBundled, temporaryFolder } from "../pipeline/run.js";
import { expectInstalled } from "./slurm.js";

const script = path.join(import.meta.dirname, "../../examples/cluster/parallel.sh");

test("four parts by GNU parallel, then the merge, give the bytes of one process", async () => {
  expectInstalled("/usr/bin/parallel", "parallel");
  const folder = temporaryFolder();
  const [one, run] = [path.join(folder, "one"), path.join(folder, "run")];
  await quantizeBundled("trit-planes-g128", one);
  const given = { MODEL: bundledModel, RECIPE: "trit-planes-g128", RUN: run, THREADS: "1" };
  await promisify(execFile)(script, [], { env: { ...process.env, ...given, ...luthierOnPath() } });
  expect(hashesOf(run)).toEqual(hashesOf(one));
});
