/*
 * The multiple-choice knapsack: of every item one option, the sum of losses least under a budget of costs. Exact: a
 * dynamic programme over undominated partial choices, cut off by the Lagrangian relaxation's bound (Kellerer, Pferschy and
 * Pisinger, Knapsack Problems, ch. 11). What is proven is said in the result, so that a list that had to be thinned
 * hides nothing.
 */

export interface Option {
  /** In the budget's unit, 0 or more. */
  readonly cost: number;
  /** To be made least; 0 or more. */
  readonly loss: number;
}

export interface Allocation {
  /** For each item the option, by its place. */
  readonly chosen: readonly number[];
  readonly cost: number;
  readonly loss: number;
}

export interface Allocated extends Allocation {
  /** No choice within the budget has less loss than this. Equal to `loss` when the allocation is proven to be the best. */
  readonly bound: number;
}

/** Partial choices that are kept after an item, at most. */
const mostStates = 2 ** 17;

/**
 * One option of every item, with the least loss within the budget; null when even the cheapest exceed it.
 * @param items each with at least one option.
 */
export function allocate(
  items: readonly (readonly Option[])[],
  budget: number,
  states = mostStates,
): Allocated | null {
  const walk = frontier(items);
  if (walk[0].cost > budget) return null;
  const last = walk.findLastIndex(({ cost }) => cost <= budget);
  if (last === walk.length - 1) return { ...walk[last], bound: walk[last].loss }; // the least loss of all
  const price = (walk[last].loss - walk[last + 1].loss) / (walk[last + 1].cost - walk[last].cost);
  const relaxed = walk[last].loss - price * (budget - walk[last].cost);
  const start = fillUp(items, walk[last], budget);
  const { best, isWhole } = search(items, budget, price, start, states);
  return { ...best, bound: isWhole ? best.loss : Math.min(best.loss, relaxed) };
}

/**
 * Allocations that are the best of their own cost, from the cheapest to the least loss: the corners of the convex hull of
 * all, each one option of one item away from the one before.
 */
export function frontier(items: readonly (readonly Option[])[]): readonly Allocation[] {
  const hulls = items.map(convexHull);
  const steps = hulls
    .flatMap((hull, item) =>
      hull.slice(1).map((option, at) => ({ item, at, ...stepBetween(items[item], hull[at], option) })),
    )
    .sort((a, b) => b.lossPerCost - a.lossPerCost || a.item - b.item || a.at - b.at);
  const chosen = hulls.map(([cheapest]) => cheapest);
  const walk = [allocationOf(items, chosen)];
  for (const { item, at } of steps) {
    chosen[item] = hulls[item][at + 1];
    walk.push(allocationOf(items, chosen));
  }
  return walk;
}

function stepBetween(options: readonly Option[], from: number, to: number) {
  const [a, b] = [options[from], options[to]];
  return { lossPerCost: (a.loss - b.loss) / (b.cost - a.cost) };
}

/** Options on the lower convex hull of an item, by falling loss per cost. */
function convexHull(options: readonly Option[]): number[] {
  const hull: number[] = [];
  for (const at of undominated(options)) {
    while (hull.length >= 2) {
      const [before, middle] = hull.slice(-2);
      const isAbove =
        stepBetween(options, before, middle).lossPerCost <= stepBetween(options, middle, at).lossPerCost;
      if (!isAbove) break;
      hull.pop();
    }
    hull.push(at);
  }
  return hull;
}

/** Options that no other one beats in both, by rising cost and falling loss. */
function undominated(options: readonly Option[]): number[] {
  const rising = [...options.keys()].sort(
    (a, b) => options[a].cost - options[b].cost || options[a].loss - options[b].loss || a - b,
  );
  let least = Number.POSITIVE_INFINITY;
  return rising.filter((at) => {
    if (options[at].loss >= least) return false;
    least = options[at].loss;
    return true;
  });
}

/** Spends what is left of the budget, item after item by what is gained: the choice that the search has to beat. */
function fillUp(items: readonly (readonly Option[])[], from: Allocation, budget: number): Allocation {
  const chosen = [...from.chosen];
  let left = budget - from.cost;
  for (;;) {
    let best = { gain: 0, item: -1, option: -1 };
    for (const [item, options] of items.entries()) {
      const now = options[chosen[item]];
      for (const [option, { cost, loss }] of options.entries()) {
        const gain = now.loss - loss;
        if (cost - now.cost <= left && gain > best.gain) best = { gain, item, option };
      }
    }
    if (best.item < 0) return allocationOf(items, chosen);
    left -= items[best.item][best.option].cost - items[best.item][chosen[best.item]].cost;
    chosen[best.item] = best.option;
  }
}

/** What is chosen for the items so far. */
interface PartialChoice {
  readonly cost: number;
  readonly loss: number;
  readonly option: number;
  readonly before: PartialChoice | null;
}

/**
 * Goes through the items and keeps the partial choices that may still become better than `start`. A partial choice
 * cannot when even at the relaxation's price of the budget the rest would not make up for it.
 */
function search(
  items: readonly (readonly Option[])[],
  budget: number,
  price: number,
  start: Allocation,
  most: number,
): { readonly best: Allocation; readonly isWhole: boolean } {
  const priced = restSums(items, (option) => option.loss + price * option.cost);
  const cheapest = restSums(items, (option) => option.cost);
  const slack = 1e-12 * start.loss; // sums in another order differ by rounding
  let isWhole = true;
  let partials: readonly PartialChoice[] = [{ cost: 0, loss: 0, option: -1, before: null }];
  for (const [item, options] of items.entries()) {
    const next: PartialChoice[] = [];
    for (const at of undominated(options)) {
      const option = options[at];
      for (const before of partials) {
        const [cost, loss] = [before.cost + option.cost, before.loss + option.loss];
        if (cost + cheapest[item + 1] > budget * (1 + 1e-12)) continue;
        if (loss + price * (cost - budget) + priced[item + 1] >= start.loss - slack) continue;
        next.push({ cost, loss, option: at, before });
      }
    }
    const kept = withoutDominated(next);
    if (kept.length > most) isWhole = false;
    partials = kept.length > most ? thinned(kept, most) : kept;
  }
  const found = partials.map((partial) => allocationOf(items, optionsOf(partial)));
  const best = found.filter(({ cost }) => cost <= budget).reduce((a, b) => (b.loss < a.loss ? b : a), start);
  return { best, isWhole };
}

/** For each item the sum of the least values of it and all later ones; 0 at the end. */
function restSums(items: readonly (readonly Option[])[], worthOf: (option: Option) => number): Float64Array {
  const sums = new Float64Array(items.length + 1);
  for (let item = items.length - 1; item >= 0; item--)
    sums[item] = sums[item + 1] + Math.min(...items[item].map(worthOf));
  return sums;
}

function withoutDominated(partials: PartialChoice[]): PartialChoice[] {
  partials.sort((a, b) => a.cost - b.cost || a.loss - b.loss);
  let least = Number.POSITIVE_INFINITY;
  return partials.filter(({ loss }) => {
    if (loss >= least) return false;
    least = loss;
    return true;
  });
}

/** Of neighbours in cost the one with the least loss, the last of each run: costs of partials rise as losses fall. */
function thinned(partials: readonly PartialChoice[], most: number): PartialChoice[] {
  return Array.from(
    { length: most },
    (_, run) => partials[Math.ceil(((run + 1) * partials.length) / most) - 1],
  );
}

function optionsOf(partial: PartialChoice): number[] {
  const options: number[] = [];
  for (let at: PartialChoice | null = partial; at?.before; at = at.before) options.unshift(at.option);
  return options;
}

function allocationOf(items: readonly (readonly Option[])[], chosen: readonly number[]): Allocation {
  const sum = (of: (option: Option) => number) =>
    items.reduce((total, options, item) => total + of(options[chosen[item]]), 0);
  return { chosen: [...chosen], cost: sum(({ cost }) => cost), loss: sum(({ loss }) => loss) };
}
