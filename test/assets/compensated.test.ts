import { expect, test } from "vitest";
import { perplexityOverFloat, quantizedTiny } from "./quantized-tiny.js";

test.each([
  ["gptq-int4-g128", 1.012],
  ["gptq-int3-g128", 1.05],
  ["gptq-int2-g128", 1.25],
  ["compensated-trit-planes-g128", 1.035],
  ["compensated-bitmod-fp3-g128", 1.045],
  ["compensated-k-means-3bit", 1.035],
  ["squeeze-3bit", 1.055],
] as const)("%s on the held-out novel stays within %f of float", async (name, limit) => {
  const found = await perplexityOverFloat(await quantizedTiny(name, 64));
  expect(found).toBeGreaterThan(1);
  expect(found).toBeLessThan(limit);
});
