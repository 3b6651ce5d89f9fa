import fc from "fast-check";
import { expect, test } from "vitest";
import { route } from "../../../src/model/architectures/experts.js";
import { matrix } from "../../../src/tensor/matrix.js";

test("a token goes to the experts of its largest logits, with weights that sum up to 1", () => {
  const routes = route(matrix(2, 3, Float32Array.of(0, Math.log(3), -5, 1, -7, 1)), 2, true);
  expect(routes.map(({ tokens }) => tokens)).toEqual([[0, 1], [0], [1]]);
  expect(routes[0].weights[0]).toBeCloseTo(0.25, 6);
  expect(routes[1].weights[0]).toBeCloseTo(0.75, 6);
  expect(routes[2].weights[0]).toBe(0.5);
});

test("or with their shares among all experts", () => {
  const [, second] = route(matrix(1, 3, Float32Array.of(0, Math.log(3), 0)), 1, false);
  expect(second).toEqual({ tokens: [0], weights: [expect.closeTo(0.6, 6)] });
});

test("of equal logits the first expert goes before", () => {
  const routes = route(matrix(1, 4, new Float32Array(4)), 2, true);
  expect(routes.map(({ tokens }) => tokens.length)).toEqual([1, 1, 0, 0]);
});

test("logits beyond what exp can hold are routed as others", () => {
  const routes = route(matrix(1, 2, Float32Array.of(5000, 4999)), 1, false);
  expect(routes[0].weights[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
});

test("every token goes to `chosen` experts, none smaller than one that it does not go to, tokens rising", () => {
  const anyLogits = fc
    .record({ experts: fc.integer({ min: 1, max: 9 }), tokens: fc.integer({ min: 0, max: 12 }) })
    .chain(({ experts, tokens }) =>
      fc.record({
        experts: fc.constant(experts),
        chosen: fc.integer({ min: 1, max: experts }),
        data: fc.array(fc.float({ min: -9, max: 9, noNaN: true }), {
          minLength: tokens * experts,
          maxLength: tokens * experts,
        }),
      }),
    );
  fc.assert(
    fc.property(anyLogits, fc.boolean(), ({ experts, chosen, data }, isNormed) => {
      const logits = matrix(data.length / experts, experts, Float32Array.from(data));
      const routes = route(logits, chosen, isNormed);
      for (const { tokens } of routes) expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
      for (let token = 0; token < logits.rows; token++) {
        const goesTo = routes.map(({ tokens }) => tokens.includes(token));
        const of = (wanted: boolean) =>
          goesTo.flatMap((goes, e) => (goes === wanted ? logits.data[token * experts + e] : []));
        expect(of(true)).toHaveLength(chosen);
        expect(Math.min(...of(true))).toBeGreaterThanOrEqual(Math.max(...of(false)));
        const total = routes.reduce(
          (sum, { tokens, weights }) => sum + (weights[tokens.indexOf(token)] ?? 0),
          0,
        );
        if (isNormed) expect(total).toBeCloseTo(1, 6);
        else expect(total).toBeLessThanOrEqual(1 + 1e-6);
      }
    }),
  );
});
