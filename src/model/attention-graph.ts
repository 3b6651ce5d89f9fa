import { rmsNormNode } from "./graphs.js";
import type { Graph, GraphNode } from "./onnx.js";

/* Attention as a graph: heads split off, normed and rotated where asked, and joined again. */

export interface AttentionShape {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Of the query and key norms; null without them. */
  readonly epsilon: number | null;
  /** Which keys a query sees: those up to its own place, those of a mask, or all. */
  readonly sees: "before" | "masked" | "all";
  /** Channels of each head of queries and keys that are rotated by position, the first ones; null where none are. */
  readonly rotatedSize: number | null;
  /** What scores are multiplied by; null for 1 / sqrt(headSize). */
  readonly scale: number | null;
  /** What scores are drawn into by a tanh; null where they are not. */
  readonly softcap: number | null;
}

export function attentionGraph(shape: AttentionShape): Graph {
  const { heads, keyValueHeads, headSize, epsilon, sees, rotatedSize } = shape;
  const masked = sees === "masked";
  const rows = (name: string, tokens: string, count: number) => ({
    name,
    shape: ["windows", tokens, count * headSize],
  });
  return {
    inputs: [
      rows("query", "queries", heads),
      rows("key", "keys", keyValueHeads),
      rows("value", "keys", keyValueHeads),
      ...(rotatedSize === null
        ? []
        : [
            { name: "cosine", shape: ["length", rotatedSize / 2] },
            { name: "sine", shape: ["length", rotatedSize / 2] },
            { name: "queryPositions", shape: ["windows", "queries"], type: "int64" as const },
            { name: "keyPositions", shape: ["windows", "keys"], type: "int64" as const },
          ]),
      ...(epsilon === null
        ? []
        : [
            { name: "queryNorm", shape: [headSize] },
            { name: "keyNorm", shape: [headSize] },
          ]),
      ...(masked ? [{ name: "mask", shape: ["queries", "keys"], type: "bool" as const }] : []),
    ],
    outputs: [rows("out", "queries", heads)],
    ...attentionNodes(
      {
        ...{ query: "query", key: "key", value: "value", out: "out" },
        rotary:
          rotatedSize === null
            ? null
            : {
                ...{ cosine: "cosine", sine: "sine", size: rotatedSize },
                positions: { query: "queryPositions", key: "keyPositions" },
              },
        norms: epsilon === null ? null : { query: "queryNorm", key: "keyNorm", epsilon },
        mask: masked ? "mask" : null,
        causal: sees === "before",
        cache: null,
      },
      shape,
    ),
  };
}

/** What attention is computed from, by names; `null` for what is not there. */
export interface AttentionNames {
  /** `[windows, tokens, heads · size]` each. */
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly out: string;
  /** How queries and keys are rotated; null where they are not. */
  readonly rotary: RotaryNames | null;
  /** `[size]` each. */
  readonly norms: { readonly query: string; readonly key: string; readonly epsilon: number } | null;
  /** Bool, that spreads to `[windows, heads, queries, keys]`; null without one. */
  readonly mask: string | null;
  /** Whether a query sees only keys up to its own place; a mask says it otherwise. */
  readonly causal: boolean;
  /** Keys and values of tokens before these, `[windows, heads, past, size]`, and with those of these tokens behind. */
  readonly cache: {
    readonly pastKey: string;
    readonly pastValue: string;
    readonly presentKey: string;
    readonly presentValue: string;
  } | null;
}

export interface RotaryNames {
  /** Channels of a head that are rotated. */
  readonly size: number;
  /** `[length, size / 2]`, of which `positions` choose; without these `[windows, tokens, size / 2]`. */
  readonly cosine: string;
  readonly sine: string;
  /** `[windows, tokens]` each. */
  readonly positions: { readonly query: string; readonly key: string } | null;
}

export function attentionNodes(
  names: AttentionNames,
  {
    heads,
    keyValueHeads,
    headSize,
    scale,
    softcap,
  }: Pick<AttentionShape, "heads" | "keyValueHeads" | "headSize" | "scale" | "softcap">,
): Pick<Graph, "nodes" | "constants"> {
  const { query, key, value, out, rotary, norms, mask, causal, cache } = names;
  const norm = (weight: "query" | "key") => norms && { weight: norms[weight], epsilon: norms.epsilon };
  const keys = cache ? cache.presentKey : `${key}.placed`;
  const values = cache ? cache.presentValue : `${value}.heads`;
  const behind = (past: string, now: string, present: string): GraphNode => ({
    op: "Concat",
    inputs: [past, now],
    outputs: [present],
    attributes: { axis: 2 },
  });
  // Named by what they hold: attention of several shapes may stand in one graph.
  const [queryShape, keyShape, outShape] = [
    `split.${heads}.${headSize}`,
    `split.${keyValueHeads}.${headSize}`,
    `join.${heads * headSize}`,
  ];
  const nodes: GraphNode[] = [
    ...headsFirst(query, queryShape, norm("query")),
    ...headsFirst(key, keyShape, norm("key")),
    ...headsFirst(value, keyShape, null),
    rotaryNode(query, headSize, rotary, rotary?.positions?.query),
    rotaryNode(key, headSize, rotary, rotary?.positions?.key),
    ...(cache
      ? [behind(cache.pastKey, `${key}.placed`, keys), behind(cache.pastValue, `${value}.heads`, values)]
      : []),
    {
      op: "Attention",
      inputs: [`${query}.placed`, keys, values, ...(mask ? [mask] : [])],
      outputs: [`${out}.heads`],
      attributes: {
        is_causal: causal && !mask ? 1 : 0,
        ...(scale !== null && { scale: { float: scale } }),
        ...(softcap !== null && { softcap: { float: softcap } }),
      },
    },
    {
      op: "Transpose",
      inputs: [`${out}.heads`],
      outputs: [`${out}.tokens`],
      attributes: { perm: [0, 2, 1, 3] },
    },
    { op: "Reshape", inputs: [`${out}.tokens`, outShape], outputs: [out] },
  ];
  const constants = {
    [queryShape]: [0, 0, heads, headSize],
    [keyShape]: [0, 0, keyValueHeads, headSize],
    [outShape]: [0, 0, heads * headSize],
  };
  return { nodes, constants };
}

/** `[windows, length, heads · size]` → `[windows, heads, length, size]`, each head normed on the way if asked. */
function headsFirst(
  name: string,
  shape: string,
  norm: { weight: string; epsilon: number } | null,
): GraphNode[] {
  return [
    { op: "Reshape", inputs: [name, shape], outputs: [`${name}.split`] },
    ...(norm ? [rmsNormNode(`${name}.split`, norm.weight, `${name}.normed`, norm.epsilon)] : []),
    {
      op: "Transpose",
      inputs: [norm ? `${name}.normed` : `${name}.split`],
      outputs: [`${name}.heads`],
      attributes: { perm: [0, 2, 1, 3] },
    },
  ];
}

/** Queries or keys with their positions in them, where they are rotated. */
function rotaryNode(
  name: string,
  headSize: number,
  rotary: RotaryNames | null,
  positions: string | undefined,
): GraphNode {
  const [heads, placed] = [`${name}.heads`, `${name}.placed`];
  if (rotary === null) return { op: "Identity", inputs: [heads], outputs: [placed] };
  const { cosine, sine, size } = rotary;
  const inputs = [heads, cosine, sine, ...(positions === undefined ? [] : [positions])];
  const node = { op: "RotaryEmbedding", inputs, outputs: [placed] };
  return size < headSize ? { ...node, attributes: { rotary_embedding_dim: size } } : node;
}
