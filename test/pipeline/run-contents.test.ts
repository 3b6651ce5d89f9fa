import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { packRun } from "../../src/pipeline/pack.js";
import { expectNoLinks } from "../../src/pipeline/run-contents.js";
import { withLock } from "../../src/pipeline/run-lock.js";
import { quantizeBundled, temporaryFolder } from "./run.js";

test.each([
  ["packs"],
  ["packs/t-mac"],
  ["packs/t-mac/linears/x.safetensors"],
  ["quantized/linears"],
  ["statistics"],
  ["answers"],
  ["reports/report.html"],
  ["parts"],
  ["run.json"],
  ["sensitivities"],
  ["compared/rtn"],
])("a run where %s is a link is not written to", async (place) => {
  const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()];
  mkdirSync(path.dirname(path.join(folder, place)), { recursive: true });
  symlinkSync(elsewhere, path.join(folder, place));
  const before = readdirSync(folder, { recursive: true });
  let isBegun = false;
  const work = withLock(folder, async () => {
    isBegun = true;
  });
  await expect(work).rejects.toThrow(
    `${path.join(folder, place)} is a link: what is written there would leave`,
  );
  expect(isBegun).toBe(false);
  expect(readdirSync(folder, { recursive: true })).toEqual(before);
});

test("neither is one whose link leads nowhere", async () => {
  const folder = temporaryFolder();
  symlinkSync(path.join(folder, "nothing"), path.join(folder, "packs"));
  await expect(expectNoLinks(folder)).rejects.toThrow("packs is a link");
});

test("the folder itself may be a link, and so may what is no part of a run", async () => {
  const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()];
  mkdirSync(path.join(elsewhere, "packs"));
  writeFileSync(path.join(elsewhere, "packs/a"), "a file");
  symlinkSync(temporaryFolder(), path.join(elsewhere, "my-notes"));
  const link = path.join(folder, "run");
  symlinkSync(elsewhere, link);
  expect(await withLock(link, async () => "done")).toBe("done");
});

test("a folder that is not there yet has no links", () => expectNoLinks(path.join(temporaryFolder(), "new")));

test("neither `quantize` nor `pack` writes where a link leads", async () => {
  const [folder, elsewhere] = [temporaryFolder(), temporaryFolder()];
  await quantizeBundled("rtn-int2-g64", folder);
  renameSync(path.join(folder, "packs"), path.join(elsewhere, "packs"));
  const before = readdirSync(elsewhere, { recursive: true });
  symlinkSync(path.join(elsewhere, "packs"), path.join(folder, "packs"));
  await expect(quantizeBundled("rtn-int2-g64", folder)).rejects.toThrow("packs is a link");
  const target = { target: "t-mac" } as Parameters<typeof packRun>[0]["target"];
  await expect(packRun({ run: folder, target })).rejects.toThrow("packs is a link");
  expect(readdirSync(elsewhere, { recursive: true })).toEqual(before);
});
