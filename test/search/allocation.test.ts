import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocate, frontier, type Option } from "../../src/search/allocation.js";

const option = fc.record({ cost: fc.integer({ min: 0, max: 30 }), loss: fc.integer({ min: 0, max: 1000 }) });
const instance = fc.record({
  items: fc.array(fc.array(option, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 6 }),
  budget: fc.integer({ min: 0, max: 120 }),
});

/** Every choice of one option an item. */
function everyChoice(items: readonly (readonly Option[])[]): readonly Option[] {
  return items.reduce<Option[]>(
    (sums, options) =>
      sums.flatMap((sum) =>
        options.map(({ cost, loss }) => ({ cost: sum.cost + cost, loss: sum.loss + loss })),
      ),
    [{ cost: 0, loss: 0 }],
  );
}

/** Costs as linears have them, shapes times bits, and losses that fall by about four a bit. */
function manyLinears(count: number): readonly (readonly Option[])[] {
  let state = 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  return Array.from({ length: count }, () => {
    const size = [1024 * 1024, 1024 * 2048, 1024 * 3072][Math.floor(random() * 3)];
    const weight = Math.exp(4 * random());
    return [1.75, 2.25, 3.15, 3.42, 4.15, 5.13, 8.13].map((bits) => ({
      cost: (size * bits) / 8,
      loss: weight * 4 ** -bits * (0.7 + 0.6 * random()),
    }));
  });
}

describe("allocate", () => {
  test("gives the least loss within the budget, as trying every choice does, and proves it", () => {
    fc.assert(
      fc.property(instance, ({ items, budget }) => {
        const fitting = everyChoice(items).filter(({ cost }) => cost <= budget);
        const found = allocate(items, budget);
        if (fitting.length === 0) {
          expect(found).toBeNull();
          return;
        }
        const least = Math.min(...fitting.map(({ loss }) => loss));
        expect(found?.loss).toBe(least);
        expect(found?.bound).toBe(least);
        expect(found?.cost).toBeLessThanOrEqual(budget);
      }),
      { numRuns: 500 },
    );
  });

  test("what it says of cost and loss is what its options sum up to", () => {
    fc.assert(
      fc.property(instance, ({ items, budget }) => {
        const found = allocate(items, budget);
        if (found === null) return;
        const options = found.chosen.map((at, item) => items[item][at]);
        expect(found.cost).toBe(options.reduce((sum, { cost }) => sum + cost, 0));
        expect(found.loss).toBe(options.reduce((sum, { loss }) => sum + loss, 0));
      }),
    );
  });

  test("with room for few partial choices it still keeps the budget, and its bound still holds", () => {
    fc.assert(
      fc.property(instance, fc.integer({ min: 1, max: 3 }), ({ items, budget }, states) => {
        const found = allocate(items, budget, states);
        if (found === null) return;
        const losses = everyChoice(items).flatMap(({ cost, loss }) => (cost <= budget ? loss : []));
        expect(found.cost).toBeLessThanOrEqual(budget);
        expect(found.bound).toBeLessThanOrEqual(Math.min(...losses) * (1 + 1e-12));
        expect(found.loss).toBeGreaterThanOrEqual(Math.min(...losses));
      }),
    );
  });

  test("the 196 linears of a model of 28 blocks are proven to the best, in seconds", () => {
    const items = manyLinears(196);
    const weights = items.reduce((sum, [{ cost }]) => sum + (cost * 8) / 1.75, 0);
    for (const bits of [2.1, 3, 3.7]) {
      const found = allocate(items, (weights * bits) / 8);
      expect(found?.bound).toBe(found?.loss);
    }
  });

  test("a budget that pays for everything buys the least loss of every item", () => {
    const items = manyLinears(5);
    const found = allocate(items, Number.POSITIVE_INFINITY);
    expect(found?.chosen).toEqual(
      items.map((options) =>
        options.findIndex(({ loss }) => loss === Math.min(...options.map((o) => o.loss))),
      ),
    );
  });
});

describe("frontier", () => {
  test("each of its allocations is the best of its own cost", () => {
    fc.assert(
      fc.property(instance, ({ items }) => {
        const every = everyChoice(items);
        for (const { cost, loss } of frontier(items)) {
          expect(loss).toBe(Math.min(...every.flatMap((each) => (each.cost <= cost ? each.loss : []))));
        }
      }),
    );
  });

  test("from the cheapest to the least loss it gains ever less a unit of cost", () => {
    fc.assert(
      fc.property(instance, ({ items }) => {
        const walk = frontier(items);
        const every = everyChoice(items);
        expect(walk[0].cost).toBe(Math.min(...every.map(({ cost }) => cost)));
        expect(walk.at(-1)?.loss).toBe(Math.min(...every.map(({ loss }) => loss)));
        const gains = walk
          .slice(1)
          .map(({ cost, loss }, at) => (walk[at].loss - loss) / (cost - walk[at].cost));
        for (const [at, gain] of gains.slice(1).entries())
          expect(gain).toBeLessThanOrEqual(gains[at] * (1 + 1e-12));
      }),
    );
  });
});
