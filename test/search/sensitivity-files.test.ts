import path from "node:path";
import { expect, test } from "vitest";
import {
  readDivergences,
  readSensitivities,
  writeDivergences,
  writeSensitivities,
} from "../../src/search/sensitivity-files.js";
import { tornWays } from "../pipeline/bad-disk.js";
import { temporaryFolder } from "../pipeline/run.js";

const sensitivities = { q_proj: [{ candidate: "a", error: 0.25, divergence: null }] };

test("what was measured is read back, by the same only", async () => {
  const folder = temporaryFolder();
  await writeSensitivities(folder, 3, "this", sensitivities);
  expect(await readSensitivities(folder, 3, "this")).toEqual(sensitivities);
  expect(await readSensitivities(folder, 3, "that")).toEqual({});
  expect(await readSensitivities(folder, 4, "this")).toEqual({});
});

test.each(Object.keys(tornWays))("a file that is %s counts as not measured", async (way) => {
  const folder = temporaryFolder();
  await writeSensitivities(folder, 0, "this", sensitivities);
  await writeDivergences(folder, "this", { a: 1 });
  tornWays[way](path.join(folder, "sensitivities", "block-000.json"));
  tornWays[way](path.join(folder, "divergences.json"));
  expect(await readSensitivities(folder, 0, "this")).toEqual({});
  expect(await readDivergences(folder, "this")).toEqual({});
});
