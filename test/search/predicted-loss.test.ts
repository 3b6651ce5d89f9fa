import fc from "fast-check";
import { expect, test } from "vitest";
import { predictedLoss } from "../../src/search/predicted-loss.js";

const low = { error: 0.01, divergence: 0.002 };
const high = { error: 0.25, divergence: 0.018 };

test("a probe's own error gives the divergence that was measured", () => {
  expect(predictedLoss(0.01, [high, low])).toBeCloseTo(0.002, 12);
  expect(predictedLoss(0.25, [high, low])).toBeCloseTo(0.018, 12);
});

test("between the probes it is the power law through both", () => {
  expect(predictedLoss(0.05, [low, high])).toBeCloseTo(0.006, 12); // 25 times the error is 9 times the loss
});

test("beyond the probes it is proportional to the error", () => {
  expect(predictedLoss(0.005, [low, high])).toBeCloseTo(0.001, 12);
  expect(predictedLoss(0.5, [low, high])).toBeCloseTo(0.036, 12);
});

test("one probe gives a proportion", () => {
  expect(predictedLoss(0.02, [low])).toBeCloseTo(0.004, 12);
  expect(predictedLoss(0, [low])).toBe(0);
});

test("probes that changed nothing tell nothing", () => {
  expect(predictedLoss(0.05, [{ error: 0, divergence: 0 }, high])).toBeCloseTo(0.0036, 12);
  expect(predictedLoss(0.05, [{ error: 0, divergence: 0 }])).toBe(0);
});

test("where the larger error was measured with the larger divergence, more error is never expected to lose less", () => {
  const positive = fc.double({ min: 1e-6, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.array(positive, { minLength: 6, maxLength: 6 }), (values) => {
      const [a, b, c, d, e, f] = values;
      const probes = [
        { error: Math.min(a, b), divergence: Math.min(c, d) },
        { error: Math.max(a, b) * 1.1, divergence: Math.max(c, d) },
      ];
      const [less, more] = [Math.min(e, f), Math.max(e, f)].map((error) => predictedLoss(error, probes));
      expect(less).toBeLessThanOrEqual(more * (1 + 1e-12));
    }),
  );
});
