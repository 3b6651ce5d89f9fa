import type { ModelDescription } from "../model/architecture.js";
import type { HeadScales } from "../transforms/folded-norms.js";
import { addHeads, type HeadSums, noHeads, scalesOf } from "../transforms/head-scales.js";
import { observeModel } from "./observe-model.js";
import type { TransformOptions } from "./transform-stage.js";

/**
 * The constants that stand for the norms of queries and keys, fitted to what the float model computes of the calibration
 * text; none for a model without such norms.
 */
export async function measureHeads(
  { blocks }: ModelDescription,
  { checkpoint, windows, spill, kernels, onProgress }: TransformOptions,
): Promise<HeadScales> {
  const normed = new Set(blocks.flat().flatMap(({ name, headNorm }) => (headNorm ? name : [])));
  if (normed.size === 0) return new Map();
  const sums = new Map<string, HeadSums>();
  let projections: readonly string[] = [];
  const afterBlock = (done: number, total: number) =>
    onProgress({ stage: "transform", done, total, what: "heads" });
  await observeModel({ checkpoint, windows, spill, kernels }, afterBlock, {
    observe(linears) {
      if (linears.some((name) => normed.has(name))) projections = linears;
    },
    observeAttention({ query, key, heads, keyValueHeads, norms }) {
      const [queries, keys] = projections;
      if (norms === null) return;
      addHeads(query, norms.epsilon, sumsOf(queries, heads, sums));
      addHeads(key, norms.epsilon, sumsOf(keys, keyValueHeads, sums));
    },
  });
  return new Map([...sums].map(([name, each]) => [name, scalesOf(each)]));
}

function sumsOf(linear: string, heads: number, sums: Map<string, HeadSums>): HeadSums {
  const found = sums.get(linear) ?? noHeads(heads);
  sums.set(linear, found);
  return found;
}
