import { expect, test } from "vitest";
import { defaultEstimates } from "../../src/report/default-estimates.js";
import { quantizeBundled, temporaryFolder } from "../pipeline/run.js";

test("a pack is estimated on a device that has published results of its target", async () => {
  const run = temporaryFolder();
  await quantizeBundled("rtn-int4-g128", run);
  const [estimate, ...others] = await defaultEstimates(run);
  expect(others).toEqual([]);
  expect(estimate.target).toBe("t-mac");
  expect(estimate.published.length).toBeGreaterThan(0);
  expect(estimate.prefill).toMatchObject({ tokens: 128 });
});

test("a pack without a cost model has no estimate", async () => {
  const run = temporaryFolder();
  await quantizeBundled("onnx-int4-g32", run);
  expect(await defaultEstimates(run)).toEqual([]);
});
