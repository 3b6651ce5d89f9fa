import type { Graph, GraphNode } from "./onnx.js";

/* The graphs behind ops.ts, in standard operators of opset 24, and the nodes that decoder-graph.ts shares with them. */

export function rmsNormGraph(epsilon: number): Graph {
  return {
    inputs: [
      { name: "x", shape: ["tokens", "size"] },
      { name: "weight", shape: ["size"] },
    ],
    outputs: [{ name: "out", shape: ["tokens", "size"] }],
    nodes: [rmsNormNode("x", "weight", "out", epsilon)],
  };
}

export function linearGraph(withBias: boolean): Graph {
  return {
    inputs: [
      { name: "x", shape: ["tokens", "inputs"] },
      { name: "weight", shape: ["outputs", "inputs"] },
      ...(withBias ? [{ name: "bias", shape: ["outputs"] }] : []),
    ],
    outputs: [{ name: "out", shape: ["tokens", "outputs"] }],
    nodes: [
      {
        op: "Gemm",
        inputs: ["x", "weight", ...(withBias ? ["bias"] : [])],
        outputs: ["out"],
        attributes: { transB: 1 },
      },
    ],
  };
}

/** The functions by which a feed-forward layer's gate opens: `x · sigmoid(x)`, or the square of a ReLU. */
export type Activation = "silu" | "relu2";

export function gatedActivationGraph(activation: Activation): Graph {
  return {
    inputs: [
      { name: "gate", shape: ["tokens", "size"] },
      { name: "up", shape: ["tokens", "size"] },
    ],
    outputs: [{ name: "out", shape: ["tokens", "size"] }],
    nodes: gatedActivationNodes("gate", "up", "out", activation),
  };
}

export function gatedActivationNodes(
  gate: string,
  up: string,
  out: string,
  activation: Activation,
): readonly GraphNode[] {
  const [positive, open] = [`${out}.positive`, `${out}.open`];
  const opening: readonly GraphNode[] =
    activation === "silu"
      ? [{ op: "Swish", inputs: [gate], outputs: [open] }]
      : [
          { op: "Relu", inputs: [gate], outputs: [positive] },
          { op: "Mul", inputs: [positive, positive], outputs: [open] },
        ];
  return [...opening, { op: "Mul", inputs: [open, up], outputs: [out] }];
}

export function scoreGraph(): Graph {
  return {
    inputs: [
      { name: "logits", shape: ["tokens", "vocabulary"] },
      { name: "targets", shape: ["tokens", 1], type: "int64" },
    ],
    outputs: [
      { name: "logSumExp", shape: ["tokens"] },
      { name: "targetLogits", shape: ["tokens", 1] },
    ],
    nodes: [
      {
        op: "ReduceLogSumExp",
        inputs: ["logits", "last"],
        outputs: ["logSumExp"],
        attributes: { keepdims: 0 },
      },
      {
        op: "GatherElements",
        inputs: ["logits", "targets"],
        outputs: ["targetLogits"],
        attributes: { axis: 1 },
      },
    ],
    constants: { last: [1] },
  };
}

export interface AttentionShape {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Of the query and key norms; null without them. */
  readonly epsilon: number | null;
  /** A mask instead of plain causality. */
  readonly masked: boolean;
}

export function attentionGraph({ heads, keyValueHeads, headSize, epsilon, masked }: AttentionShape): Graph {
  const rows = (name: string, tokens: string, count: number) => ({
    name,
    shape: ["windows", tokens, count * headSize],
  });
  return {
    inputs: [
      rows("query", "queries", heads),
      rows("key", "keys", keyValueHeads),
      rows("value", "keys", keyValueHeads),
      { name: "cosine", shape: ["length", headSize / 2] },
      { name: "sine", shape: ["length", headSize / 2] },
      { name: "queryPositions", shape: ["windows", "queries"], type: "int64" },
      { name: "keyPositions", shape: ["windows", "keys"], type: "int64" },
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
        ...{ query: "query", key: "key", value: "value", out: "out", cosine: "cosine", sine: "sine" },
        positions: { query: "queryPositions", key: "keyPositions" },
        norms: epsilon === null ? null : { query: "queryNorm", key: "keyNorm", epsilon },
        mask: masked ? "mask" : null,
        cache: null,
      },
      { heads, keyValueHeads, headSize },
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
  /** `[length, size / 2]`, of which `positions` choose; without these `[windows, tokens, size / 2]`. */
  readonly cosine: string;
  readonly sine: string;
  /** `[windows, tokens]` each. */
  readonly positions: { readonly query: string; readonly key: string } | null;
  /** `[size]` each. */
  readonly norms: { readonly query: string; readonly key: string; readonly epsilon: number } | null;
  /** Bool, that spreads to `[windows, heads, queries, keys]`; null for plain causality. */
  readonly mask: string | null;
  /** Keys and values of tokens before these, `[windows, heads, past, size]`, and with those of these tokens behind. */
  readonly cache: {
    readonly pastKey: string;
    readonly pastValue: string;
    readonly presentKey: string;
    readonly presentValue: string;
  } | null;
}

export function attentionNodes(
  names: AttentionNames,
  { heads, keyValueHeads, headSize }: Pick<AttentionShape, "heads" | "keyValueHeads" | "headSize">,
): Pick<Graph, "nodes" | "constants"> {
  const { query, key, value, out, positions, norms, mask, cache } = names;
  const norm = (weight: "query" | "key") => norms && { weight: norms[weight], epsilon: norms.epsilon };
  const keys = cache ? cache.presentKey : `${key}.rotated`;
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
    rotary(query, names, positions?.query),
    rotary(key, names, positions?.key),
    ...(cache
      ? [behind(cache.pastKey, `${key}.rotated`, keys), behind(cache.pastValue, `${value}.heads`, values)]
      : []),
    {
      op: "Attention",
      inputs: [`${query}.rotated`, keys, values, ...(mask ? [mask] : [])],
      outputs: [`${out}.heads`],
      attributes: { is_causal: mask ? 0 : 1 },
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

function rotary(
  name: string,
  { cosine, sine }: Pick<AttentionNames, "cosine" | "sine">,
  positions: string | undefined,
): GraphNode {
  return {
    op: "RotaryEmbedding",
    inputs: [`${name}.heads`, cosine, sine, ...(positions === undefined ? [] : [positions])],
    outputs: [`${name}.rotated`],
  };
}

export function rmsNormNode(x: string, weight: string, out: string, epsilon: number): GraphNode {
  return {
    op: "RMSNormalization",
    inputs: [x, weight],
    outputs: [out],
    attributes: { axis: -1, epsilon: { float: epsilon } },
  };
}
