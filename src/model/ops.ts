import type { InferenceSession, Tensor } from "onnxruntime-node";
import { type Matrix, matrix } from "../tensor/matrix.js";
import { attentionGraph, gatedActivationGraph, linearGraph, rmsNormGraph, scoreGraph } from "./graphs.js";
import { encodeModel, type Graph } from "./onnx.js";

/** The weight-free operations that models are glued from, run by onnxruntime. */
export interface Ops {
  /** `x / sqrt(mean(x²) + epsilon) · weight`, row by row. */
  rmsNorm(x: Matrix, weight: Float32Array, epsilon: number): Promise<Matrix>;
  /** `x · Wᵀ + bias`: `[tokens, K] × [N, K]` → `[tokens, N]`. */
  linear(x: Matrix, weight: Matrix, bias: Float32Array | null): Promise<Matrix>;
  /** Causal attention with rotary embedding: `[tokens, heads · headSize]`. */
  attention(input: AttentionInput): Promise<Matrix>;
  /** `silu(gate) · up`. */
  gatedActivation(gate: Matrix, up: Matrix): Promise<Matrix>;
  /** Of each row of logits: its log-sum-exp and the logit of its target. */
  score(
    logits: Matrix,
    targets: Int32Array,
  ): Promise<{ logSumExp: Float32Array; targetLogits: Float32Array }>;
  close(): Promise<void>;
}

export interface AttentionInput {
  /** `[windows · length, heads · headSize]`, and with `keyValueHeads` for the other two. */
  readonly query: Matrix;
  readonly key: Matrix;
  readonly value: Matrix;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Tokens of each window; positions count from 0 in every one. */
  readonly length: number;
  /** `[length, headSize / 2]` each. */
  readonly rotary: { readonly cosine: Float32Array; readonly sine: Float32Array };
  /** RMS norms over each head before the rotation (Qwen3), `[headSize]` each. */
  readonly norms: {
    readonly query: Float32Array;
    readonly key: Float32Array;
    readonly epsilon: number;
  } | null;
  /** A token sees itself and at most `window − 1` tokens before it; null sees all before it. */
  readonly window: number | null;
}

/** Sessions are made when first used; onnxruntime itself is loaded then too. */
export function openOps(options: { readonly threads: number }): Ops {
  const sessions = new Map<string, Promise<InferenceSession>>();

  async function run(
    key: string,
    graph: () => Graph,
    feeds: Readonly<Record<string, Feed>>,
  ): Promise<readonly Tensor[]> {
    const runtime = await import("onnxruntime-node");
    let session = sessions.get(key);
    if (session === undefined) {
      session = runtime.InferenceSession.create(encodeModel(graph()), {
        intraOpNumThreads: options.threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      });
      sessions.set(key, session);
    }
    const ready = await session;
    const tensors = Object.entries(feeds).map(([name, { data, shape }]) => [
      name,
      asTensor(runtime, data, shape),
    ]);
    const outputs = await ready.run(Object.fromEntries(tensors));
    return ready.outputNames.map((name) => outputs[name]);
  }

  return {
    async rmsNorm(x, weight, epsilon) {
      const [out] = await run(`rms-norm ${epsilon}`, () => rmsNormGraph(epsilon), {
        x: feed(x),
        weight: { data: weight, shape: [weight.length] },
      });
      return asMatrix(out, x.rows, x.columns);
    },
    async linear(x, weight, bias) {
      const [out] = await run(bias ? "linear with bias" : "linear", () => linearGraph(bias !== null), {
        x: feed(x),
        weight: feed(weight),
        ...(bias && { bias: { data: bias, shape: [bias.length] } }),
      });
      return asMatrix(out, x.rows, weight.rows);
    },
    async attention(input) {
      const { query, key, value, heads, keyValueHeads, headSize, length, rotary, norms } = input;
      const windows = query.rows / length;
      const masked = input.window !== null && input.window < length;
      const shape = { heads, keyValueHeads, headSize, epsilon: norms?.epsilon ?? null, masked };
      const positions = BigInt64Array.from({ length: windows * length }, (_, i) => BigInt(i % length));
      const [out] = await run(`attention ${JSON.stringify(shape)}`, () => attentionGraph(shape), {
        query: { data: query.data, shape: [windows, length, heads * headSize] },
        key: { data: key.data, shape: [windows, length, keyValueHeads * headSize] },
        value: { data: value.data, shape: [windows, length, keyValueHeads * headSize] },
        cosine: { data: rotary.cosine, shape: [length, headSize / 2] },
        sine: { data: rotary.sine, shape: [length, headSize / 2] },
        positions: { data: positions, shape: [windows, length] },
        ...(norms && {
          queryNorm: { data: norms.query, shape: [headSize] },
          keyNorm: { data: norms.key, shape: [headSize] },
        }),
        ...(masked && {
          mask: { data: slidingMask(length, input.window ?? length), shape: [length, length] },
        }),
      });
      return asMatrix(out, query.rows, heads * headSize);
    },
    async gatedActivation(gate, up) {
      const [out] = await run("gated activation", gatedActivationGraph, { gate: feed(gate), up: feed(up) });
      return asMatrix(out, up.rows, up.columns);
    },
    async score(logits, targets) {
      const [logSumExp, targetLogits] = await run("score", scoreGraph, {
        logits: feed(logits),
        targets: { data: BigInt64Array.from(targets, BigInt), shape: [targets.length, 1] },
      });
      return { logSumExp: logSumExp.data as Float32Array, targetLogits: targetLogits.data as Float32Array };
    },
    async close() {
      const open = [...sessions.values()];
      sessions.clear();
      for (const session of open) await (await session).release();
    },
  };
}

interface Feed {
  readonly data: Float32Array | BigInt64Array | Uint8Array;
  readonly shape: readonly number[];
}

function feed(x: Matrix): Feed {
  return { data: x.data, shape: [x.rows, x.columns] };
}

function asTensor(
  runtime: typeof import("onnxruntime-node"),
  data: Feed["data"],
  shape: readonly number[],
): Tensor {
  if (data instanceof Float32Array) return new runtime.Tensor("float32", data, shape);
  if (data instanceof BigInt64Array) return new runtime.Tensor("int64", data, shape);
  return new runtime.Tensor("bool", data, shape);
}

function asMatrix(tensor: Tensor, rows: number, columns: number): Matrix {
  return matrix(rows, columns, tensor.data as Float32Array);
}

/** `[length, length]`, 1 where the token of the row sees that of the column. */
function slidingMask(length: number, window: number): Uint8Array {
  const mask = new Uint8Array(length * length);
  for (let row = 0; row < length; row++)
    mask.fill(1, row * length + Math.max(0, row - window + 1), row * length + row + 1);
  return mask;
}
