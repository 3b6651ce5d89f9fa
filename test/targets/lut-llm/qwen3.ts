import type { VectorsOutline } from "../../../src/schemes/vectors.js";
import type { Product } from "../../../src/targets/cost.js";

export interface LayerLinear {
  readonly name: string;
  /** By itself, not fused. */
  readonly rows: number;
  readonly columns: number;
  /** S of the fused projection: each of queries, keys and values has all eight, a part of each. */
  readonly blocks: number;
  /** Heads have scales of their own. */
  readonly scales: number;
  /** Outputs of all linears with the same input. */
  readonly inputRows: number;
  readonly attentionRows: number;
}

const linear = (name: string, rows: number, columns: number, blocks: number, scales = 1): LayerLinear => ({
  ...{ name, rows, columns, blocks, scales, inputRows: rows, attentionRows: rows },
});
const fused = { inputRows: 4096, attentionRows: 4096 };

/** A layer of Qwen3-1.7B as LUT-LLM has it: 16 heads of 128, 8 of keys and values. */
export const layer: readonly LayerLinear[] = [
  { ...linear("q_proj", 2048, 2048, 8, 16), ...fused },
  { ...linear("k_proj", 1024, 2048, 8, 8), ...fused },
  { ...linear("v_proj", 1024, 2048, 8, 8), ...fused },
  linear("o_proj", 2048, 2048, 4),
  { ...linear("gate_proj", 6144, 2048, 12), inputRows: 12288 },
  { ...linear("up_proj", 6144, 2048, 12), inputRows: 12288 },
  linear("down_proj", 2048, 6144, 4),
];

export const outlineOf = (
  { rows, columns, blocks, scales }: LayerLinear,
  bits: 4 | 8,
): VectorsOutline & { readonly inputs: number } => ({
  ...{ scheme: "vectors", rows, columns, vector: 2, centroids: 16, blocks, inputs: 64 },
  table: { bits, scales },
});

export const productOf = (of: LayerLinear, bits: 4 | 8, tokens: number): Product => ({
  weight: outlineOf(of, bits),
  activation: { scheme: "centroids", vector: 2, centroids: 64 },
  parameters: {},
  tokens,
  sharing: { inputRows: of.inputRows, attentionRows: of.attentionRows },
});
