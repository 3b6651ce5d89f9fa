import { expect, test } from "vitest";
import { perplexityOverFloat, quantizedTiny } from "./quantized-tiny.js";

test.each([
  ["flexq-w6a6", 1.004],
  ["flexq-w6a8", 1.002],
  ["llm-int8", 1.002],
  ["fmpq-w4a4", 1.08],
  ["mixllm-p10", 1.01],
] as const)("%s on the held-out novel stays within %f of float", async (name, limit) => {
  expect(await perplexityOverFloat(await quantizedTiny(name, 32))).toBeLessThan(limit);
});
