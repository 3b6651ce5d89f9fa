import type { Graph, GraphNode } from "./onnx.js";

/*
 * The graphs behind ops.ts, in standard operators of opset 24, and the nodes that decoder-graph.ts shares with them;
 * attention-graph.ts has that of attention.
 */

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

export function layerNormGraph(epsilon: number): Graph {
  return {
    inputs: [
      { name: "x", shape: ["tokens", "size"] },
      { name: "weight", shape: ["size"] },
      { name: "bias", shape: ["size"] },
    ],
    outputs: [{ name: "out", shape: ["tokens", "size"] }],
    nodes: [layerNormNode("x", "weight", "bias", "out", epsilon)],
  };
}

/**
 * The functions of a feed-forward layer: `x · sigmoid(x)`, a ReLU, its square, and `x · Φ(x)` with the normal distribution's
 * Φ as it is or by its approximation with tanh (arXiv 1606.08415).
 */
export type Activation = "silu" | "relu" | "relu2" | "gelu" | "gelu-tanh";

export function activationGraph(activation: Activation): Graph {
  return {
    inputs: [{ name: "x", shape: ["tokens", "size"] }],
    outputs: [{ name: "out", shape: ["tokens", "size"] }],
    nodes: activationNodes("x", "out", activation),
  };
}

export function activationNodes(x: string, out: string, activation: Activation): readonly GraphNode[] {
  const positive = `${out}.positive`;
  switch (activation) {
    case "silu":
      return [{ op: "Swish", inputs: [x], outputs: [out] }];
    case "relu":
      return [{ op: "Relu", inputs: [x], outputs: [out] }];
    case "relu2":
      return [
        { op: "Relu", inputs: [x], outputs: [positive] },
        { op: "Mul", inputs: [positive, positive], outputs: [out] },
      ];
    case "gelu":
      return [{ op: "Gelu", inputs: [x], outputs: [out] }];
    case "gelu-tanh":
      return [{ op: "Gelu", inputs: [x], outputs: [out], attributes: { approximate: "tanh" } }];
  }
}

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
  const open = `${out}.open`;
  return [...activationNodes(gate, open, activation), { op: "Mul", inputs: [open, up], outputs: [out] }];
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
      { name: "most", shape: ["tokens"] },
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
      { op: "ReduceMax", inputs: ["logits", "last"], outputs: ["most"], attributes: { keepdims: 0 } },
    ],
    constants: { last: [1] },
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

export function layerNormNode(
  x: string,
  weight: string,
  bias: string,
  out: string,
  epsilon: number,
): GraphNode {
  return {
    op: "LayerNormalization",
    inputs: [x, weight, bias],
    outputs: [out],
    attributes: { axis: -1, epsilon: { float: epsilon } },
  };
}
