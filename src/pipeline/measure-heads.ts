import type { AttentionInput } from "../model/block-ops.js";
import type { Matrix } from "../tensor/matrix.js";
import type { HeadScales } from "../transforms/folded-norms.js";
import { addHeads, type HeadSums, noHeads, scalesOf } from "../transforms/head-scales.js";
import { openModelAt } from "./open-model.js";
import type { TransformOptions } from "./transform-stage.js";

/**
 * The constants that stand for the norms of queries and keys, fitted to what the float model computes of the calibration
 * text; none for a model without such norms.
 */
export async function measureHeads({
  checkpoint,
  description,
  windows,
  kernels,
  onProgress,
}: TransformOptions): Promise<HeadScales> {
  const normed = new Set(description.blocks.flat().flatMap(({ name, headNorm }) => (headNorm ? name : [])));
  if (normed.size === 0) return new Map();
  const sums = new Map<string, HeadSums>();
  let projections: readonly string[] = [];
  const opened = await openModelAt({
    path: checkpoint.directory,
    engine: "float",
    kernels,
    observe(linears) {
      if (linears.some((name) => normed.has(name))) projections = linears;
    },
    observeAttention({ query, key, heads, keyValueHeads, norms }: AttentionInput<Matrix, Float32Array>) {
      const [queries, keys] = projections;
      if (norms === null) return;
      addHeads(query, norms.epsilon, sumsOf(queries, heads, sums));
      addHeads(key, norms.epsilon, sumsOf(keys, keyValueHeads, sums));
    },
  });
  try {
    await opened.model.run(windows, (done, total) =>
      onProgress({ stage: "transform", done, total, what: "heads" }),
    );
  } finally {
    await opened.close();
  }
  return new Map([...sums].map(([name, each]) => [name, scalesOf(each)]));
}

function sumsOf(linear: string, heads: number, sums: Map<string, HeadSums>): HeadSums {
  const found = sums.get(linear) ?? noHeads(heads);
  sums.set(linear, found);
  return found;
}
