import type { InferenceSession, Tensor } from "onnxruntime-node";
import { type Matrix, matrix, rowsOf } from "../tensor/matrix.js";
import { type AttentionPart, attentionMask, attentionParts, type Range } from "./attention.js";
import { type AttentionShape, attentionGraph } from "./attention-graph.js";
import type { AttentionInput, BlockOps } from "./block-ops.js";
import {
  type Activation,
  activationGraph,
  gatedActivationGraph,
  layerNormGraph,
  linearGraph,
  rmsNormGraph,
  scoreGraph,
} from "./graphs.js";
import { encodeModel, type Graph } from "./onnx.js";
import { type RotaryTables, rotaryTables } from "./rope.js";

/** The operations that models are computed with, run by onnxruntime. */
export interface Ops extends BlockOps<Matrix, Float32Array> {
  /** `x · Wᵀ + bias`: `[tokens, K] × [N, K]` → `[tokens, N]`. */
  linear(x: Matrix, weight: Matrix, bias: Float32Array | null): Promise<Matrix>;
  /** `(x − mean(x)) / sqrt(variance(x) + epsilon) · weight + bias`, row by row. */
  layerNorm(x: Matrix, weight: Float32Array, bias: Float32Array, epsilon: number): Promise<Matrix>;
  /** `activation(x)`. */
  activation(x: Matrix, activation: Activation): Promise<Matrix>;
  /** Of each row of logits: its log-sum-exp, the logit of its target, and its largest one. */
  score(
    logits: Matrix,
    targets: Int32Array,
  ): Promise<{ logSumExp: Float32Array; targetLogits: Float32Array; most: Float32Array }>;
  close(): Promise<void>;
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
        enableCpuMemArena: false,
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
    async layerNorm(x, weight, bias, epsilon) {
      const vector = (data: Float32Array) => ({ data, shape: [data.length] });
      const [out] = await run(`layer-norm ${epsilon}`, () => layerNormGraph(epsilon), {
        x: feed(x),
        weight: vector(weight),
        bias: vector(bias),
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
    async add(a, b) {
      const out = matrix(a.rows, a.columns);
      const [{ data: left }, { data: right }] = [a, b]; // what lies in a file is read once
      for (let i = 0; i < left.length; i++) out.data[i] = left[i] + right[i];
      return out;
    },
    async attention(input) {
      const { query, length } = input;
      const out = matrix(query.rows, query.columns);
      const windows = query.rows / length;
      const rotary = input.rope && rotaryTables(input.rope, length);
      for (const part of attentionParts({ ...input, windows })) {
        const shape = attentionShape(input, part);
        const feeds = attentionFeeds(input, rotary, part);
        const [some] = await run(`attention ${JSON.stringify(shape)}`, () => attentionGraph(shape), feeds);
        const firstToken = part.windows.first * length + part.queries.first;
        out.data.set(some.data as Float32Array, firstToken * query.columns);
      }
      return out;
    },
    async gatedActivation(gate, up, activation) {
      const graph = () => gatedActivationGraph(activation);
      const [out] = await run(`gated ${activation}`, graph, { gate: feed(gate), up: feed(up) });
      return asMatrix(out, up.rows, up.columns);
    },
    async activation(x, activation) {
      const [out] = await run(activation, () => activationGraph(activation), { x: feed(x) });
      return asMatrix(out, x.rows, x.columns);
    },
    async score(logits, targets) {
      const [logSumExp, targetLogits, most] = await run("score", scoreGraph, {
        logits: feed(logits),
        targets: { data: BigInt64Array.from(targets, BigInt), shape: [targets.length, 1] },
      });
      const values = ({ data }: Tensor) => data as Float32Array;
      return { logSumExp: values(logSumExp), targetLogits: values(targetLogits), most: values(most) };
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

type AttentionMatrices = AttentionInput<Matrix, Float32Array>;

function attentionShape(input: AttentionMatrices, { sees }: AttentionPart): AttentionShape {
  const { heads, keyValueHeads, headSize, norms, rope, scale = null, softcap = null } = input;
  const [epsilon, rotatedSize] = [norms?.epsilon ?? null, rope?.rotatedSize ?? null];
  return { heads, keyValueHeads, headSize, epsilon, sees, rotatedSize, scale, softcap };
}

function attentionFeeds(
  input: AttentionMatrices,
  rotary: RotaryTables | null,
  part: AttentionPart,
): Readonly<Record<string, Feed>> {
  const { length, headSize, norms } = input;
  const { windows, queries, keys, sees } = part;
  const count = windows.last - windows.first;
  /** The tokens of several whole windows, or of a range within one: either lie together. */
  const tokens = (x: Matrix, { first, last }: Range): Feed => {
    const { data } = rowsOf(x, windows.first * length + first, (windows.last - 1) * length + last);
    return { data, shape: [count, last - first, x.columns] };
  };
  const positions = ({ first, last }: Range): Feed => ({
    data: BigInt64Array.from({ length: count * (last - first) }, (_, i) =>
      BigInt(first + (i % (last - first))),
    ),
    shape: [count, last - first],
  });
  return {
    query: tokens(input.query, queries),
    key: tokens(input.key, keys),
    value: tokens(input.value, keys),
    ...(rotary && {
      cosine: { data: rotary.cosine, shape: [length, rotary.cosine.length / length] },
      sine: { data: rotary.sine, shape: [length, rotary.sine.length / length] },
      queryPositions: positions(queries),
      keyPositions: positions(keys),
    }),
    ...(norms && {
      queryNorm: { data: norms.query, shape: [headSize] },
      keyNorm: { data: norms.key, shape: [headSize] },
    }),
    ...(sees === "masked" && {
      mask: {
        data: attentionMask(part, input.window),
        shape: [queries.last - queries.first, keys.last - keys.first],
      },
    }),
  };
}
