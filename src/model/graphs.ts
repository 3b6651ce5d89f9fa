import type { Graph, GraphNode } from "./onnx.js";

/* The graphs behind ops.ts, in standard operators of opset 24. */

export function rmsNormGraph(epsilon: number): Graph {
  return {
    inputs: [
      { name: "x", shape: ["tokens", "size"] },
      { name: "weight", shape: ["size"] },
    ],
    outputs: [{ name: "out", shape: ["tokens", "size"] }],
    nodes: [rmsNorm("x", "weight", "out", epsilon)],
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
  const open: GraphNode[] =
    activation === "silu"
      ? [{ op: "Swish", inputs: ["gate"], outputs: ["open"] }]
      : [
          { op: "Relu", inputs: ["gate"], outputs: ["positive"] },
          { op: "Mul", inputs: ["positive", "positive"], outputs: ["open"] },
        ];
  return {
    inputs: [
      { name: "gate", shape: ["tokens", "size"] },
      { name: "up", shape: ["tokens", "size"] },
    ],
    outputs: [{ name: "out", shape: ["tokens", "size"] }],
    nodes: [...open, { op: "Mul", inputs: ["open", "up"], outputs: ["out"] }],
  };
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
    nodes: [
      ...headsFirst("query", "queryShape", epsilon === null ? null : { weight: "queryNorm", epsilon }),
      ...headsFirst("key", "keyShape", epsilon === null ? null : { weight: "keyNorm", epsilon }),
      ...headsFirst("value", "keyShape", null),
      rotary("query"),
      rotary("key"),
      {
        op: "Attention",
        inputs: ["query.rotated", "key.rotated", "value.heads", ...(masked ? ["mask"] : [])],
        outputs: ["attended"],
        attributes: { is_causal: masked ? 0 : 1 },
      },
      { op: "Transpose", inputs: ["attended"], outputs: ["tokensFirst"], attributes: { perm: [0, 2, 1, 3] } },
      { op: "Reshape", inputs: ["tokensFirst", "outShape"], outputs: ["out"] },
    ],
    constants: {
      queryShape: [0, 0, heads, headSize],
      keyShape: [0, 0, keyValueHeads, headSize],
      outShape: [0, 0, heads * headSize],
    },
  };
}

/** `[windows, length, heads · size]` → `[windows, heads, length, size]`, each head normed on the way if asked. */
function headsFirst(
  name: string,
  shape: string,
  norm: { weight: string; epsilon: number } | null,
): GraphNode[] {
  return [
    { op: "Reshape", inputs: [name, shape], outputs: [`${name}.split`] },
    ...(norm ? [rmsNorm(`${name}.split`, norm.weight, `${name}.normed`, norm.epsilon)] : []),
    {
      op: "Transpose",
      inputs: [norm ? `${name}.normed` : `${name}.split`],
      outputs: [`${name}.heads`],
      attributes: { perm: [0, 2, 1, 3] },
    },
  ];
}

function rotary(name: string): GraphNode {
  return {
    op: "RotaryEmbedding",
    inputs: [`${name}.heads`, "cosine", "sine", `${name}Positions`],
    outputs: [`${name}.rotated`],
  };
}

function rmsNorm(x: string, weight: string, out: string, epsilon: number): GraphNode {
  return {
    op: "RMSNormalization",
    inputs: [x, weight],
    outputs: [out],
    attributes: { axis: -1, epsilon: { float: epsilon } },
  };
}
