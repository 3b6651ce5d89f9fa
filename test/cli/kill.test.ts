import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { bundledModel, hashesOf, temporaryFolder } from "../pipeline/run.js";
import { luthier, start } from "./luthier.js";

/** Where in the job the process is killed: when so many files of a folder are there. */
const moments = [
  ["quantized/linears", 1],
  ["quantized/linears", 17],
  ["packs/t-mac/linears", 1],
  ["packs/t-mac/linears", 20],
] as const;

test.each(moments)(
  "killed (SIGKILL) when %s has %i files, the next run goes on and ends with the same bytes",
  async (folder, count) => {
    const parent = temporaryFolder();
    const args = (out: string) => [
      "quantize",
      bundledModel,
      "--recipe",
      "trit-planes-g128",
      "--out",
      path.join(parent, out),
      "--quiet",
    ];
    expect(await luthier(...args("whole"))).toMatchObject({ code: 0 });

    const { child, finished } = start([...args("killed"), "--threads", "1"]);
    const watched = path.join(parent, "killed", folder);
    const files = () =>
      existsSync(watched) ? readdirSync(watched).filter((name) => !name.startsWith(".")).length : 0;
    while (files() < count && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 1));
    child.kill("SIGKILL");
    expect((await finished).code).toBeNull();

    expect(await luthier(...args("killed"))).toMatchObject({ code: 0 });
    expect(hashesOf(path.join(parent, "killed"))).toEqual(hashesOf(path.join(parent, "whole")));
  },
);
