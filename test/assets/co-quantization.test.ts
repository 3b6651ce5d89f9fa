import { expect, test } from "vitest";
import { verifyRun } from "../../src/pipeline/verify.js";
import { kernels, perplexityOverFloat, quantizedTiny } from "./quantized-tiny.js";

test.each([
  ["lut-llm-w2a3-int8", "lut", 1.25],
  ["lut-llm-w2a3-int4", "lut", 1.6],
  ["lut-llm-act-only", "float", 1.12],
  ["lut-llm-weight-only", "float", 1.15],
] as const)("%s on the held-out novel, %s engine, stays within %f of float", async (name, engine, limit) => {
  const run = await quantizedTiny(name, 64); // a quarter of the usual tokens
  expect((await verifyRun(run, kernels)).faults).toEqual([]);
  const found = await perplexityOverFloat(run, engine);
  expect(found).toBeGreaterThan(1);
  expect(found).toBeLessThan(limit);
});
