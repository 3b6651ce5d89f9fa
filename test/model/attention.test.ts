import fc from "fast-check";
import { expect, test } from "vitest";
import { attentionMask, attentionParts } from "../../src/model/attention.js";

const anyShape = fc.record({
  windows: fc.integer({ min: 1, max: 4 }),
  heads: fc.integer({ min: 1, max: 3 }),
  length: fc.integer({ min: 1, max: 20 }),
  window: fc.option(fc.integer({ min: 1, max: 25 })),
});
const anyBytes = fc.integer({ min: 1, max: 10_000 });

test("the parts' queries are every token of every window, once and in order", () => {
  fc.assert(
    fc.property(anyShape, anyBytes, (shape, mostBytes) => {
      const tokens: number[] = [];
      for (const { windows, queries } of attentionParts(shape, mostBytes)) {
        for (let w = windows.first; w < windows.last; w++) {
          for (let q = queries.first; q < queries.last; q++) tokens.push(w * shape.length + q);
        }
      }
      expect(tokens).toEqual(Array.from({ length: shape.windows * shape.length }, (_, i) => i));
    }),
  );
});

test("a query sees itself and the tokens before it within the window, no others", () => {
  fc.assert(
    fc.property(anyShape, anyBytes, (shape, mostBytes) => {
      for (const part of attentionParts(shape, mostBytes)) {
        const { queries, keys, sees } = part;
        const mask = attentionMask(part, shape.window);
        for (let query = queries.first; query < queries.last; query++) {
          const seen: number[] = [];
          for (let key = keys.first; key < keys.last; key++) {
            const causal = key <= query; // what a run without a mask does, where both start at 0
            const columns = keys.last - keys.first;
            const visible =
              sees === "masked"
                ? mask[(query - queries.first) * columns + key - keys.first] === 1
                : causal && queries.first === 0 && keys.first === 0;
            if (visible) seen.push(key);
          }
          const first = Math.max(0, query - (shape.window ?? shape.length) + 1);
          expect(seen).toEqual(Array.from({ length: query - first + 1 }, (_, i) => first + i));
        }
      }
    }),
  );
});

test("a part's scores stay within the limit, unless one query's exceed it", () => {
  fc.assert(
    fc.property(anyShape, anyBytes, (shape, mostBytes) => {
      for (const { windows, queries, keys } of attentionParts(shape, mostBytes)) {
        const queryCount = (windows.last - windows.first) * (queries.last - queries.first);
        const bytes = 4 * shape.heads * queryCount * (keys.last - keys.first);
        expect(bytes <= mostBytes || queryCount === 1).toBe(true);
      }
    }),
  );
});

test("short windows are computed together", () => {
  expect(attentionParts({ windows: 8, heads: 4, length: 256, window: null })).toHaveLength(1);
});
