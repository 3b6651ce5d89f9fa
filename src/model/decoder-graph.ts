import { causalHead, type LinearInfo, type ModelContext, type ModelDescription } from "./architecture.js";
import { findWritable } from "./architectures/registry.js";
import { attentionNodes } from "./attention-graph.js";
import type { BlockOps } from "./block-ops.js";
import { type GraphPart, maskNodes, positionNodes, rotaryNodes } from "./decoder-positions.js";
import { gatedActivationNodes, rmsNormNode } from "./graphs.js";
import { elementType, type Graph, type GraphNode, type GraphValue } from "./onnx.js";

/** What the graph of a whole model is made of. */
export interface DecoderParts {
  readonly config: Readonly<Record<string, unknown>>;
  readonly description: ModelDescription;
  /** The product of a linear without its bias: from `input`, `[batch, sequence, K]`, to `output`. */
  product(linear: LinearInfo, input: string, output: string): GraphPart;
}

/**
 * The graph of a model from token ids to logits. Its architecture writes it: blocks are run on names of values instead
 * of matrices. It names tensors as the checkpoint does: the embedding in any float dtype, and vectors of norms and biases
 * in float32; these and the linears' weights must be added.
 *
 * @param cached false for whole windows: `input_ids` → `logits`. True for generating, with the inputs and outputs that
 * Optimum and transformers.js use: `input_ids`, `attention_mask`, `position_ids`, `past_key_values.<layer>.key` and
 * `.value` → `logits`, `present.<layer>.key` and `.value`.
 */
export async function decoderGraph(decoder: DecoderParts, cached: boolean): Promise<Graph> {
  const { config, description } = decoder;
  const { blocks, embedding, contextLength, vocabularySize } = description;
  const parts: GraphPart[] = [positionNodes(cached), { nodes: embeddingNodes(embedding) }];
  const linears = new Map(blocks.flat().map((linear) => [linear.name, linear]));
  const { ops, layers } = writingOps(parts, cached);
  const context: ModelContext<string, string> = {
    config,
    ops,
    vector: async (tensor) => tensor,
    executor: {
      async run(names, input) {
        for (const name of names) parts.push(linearNodes(linears.get(name)!, input, name, decoder));
        return names;
      },
    },
  };
  const architecture = findWritable(config);
  let hidden = embedded;
  for (const index of blocks.keys()) {
    const block = await architecture.openBlock(index, context);
    hidden = await block(hidden, contextLength);
  }
  const head = causalHead(description);
  parts.push(linearNodes(head, await architecture.finalNorm(hidden, context), "logits", decoder));
  return {
    nodes: parts.flatMap(({ nodes }) => nodes),
    constants: Object.assign({}, ...parts.map(({ constants }) => constants)),
    inputs: [
      { name: "input_ids", shape: ["batch", "sequence"], type: "int64" },
      ...(cached ? cacheInputs(layers) : []),
    ],
    outputs: [
      { name: "logits", shape: ["batch", "sequence", vocabularySize] },
      ...(cached ? layers.flatMap((heads, layer) => cacheValues("present", layer, "total", heads)) : []),
    ],
  };
}

const embedded = "embedded";

function embeddingNodes(table: string): readonly GraphNode[] {
  return [
    { op: "Gather", inputs: [table, "input_ids"], outputs: ["embedded.stored"] },
    {
      op: "Cast",
      inputs: ["embedded.stored"],
      outputs: [embedded],
      attributes: { to: elementType.float32 },
    },
  ];
}

function linearNodes(
  linear: LinearInfo,
  input: string,
  output: string,
  { product }: DecoderParts,
): GraphPart {
  if (linear.bias === null) return product(linear, input, output);
  const { nodes, constants } = product(linear, input, `${output}.product`);
  const add = { op: "Add", inputs: [`${output}.product`, linear.bias], outputs: [output] };
  return { nodes: [...nodes, add], constants };
}

/** The heads of a layer's keys and values. */
interface LayerHeads {
  readonly keyValueHeads: number;
  readonly headSize: number;
}

/** Operations that append their nodes to `parts`, and the layers whose attention was written. */
function writingOps(parts: GraphPart[], cached: boolean) {
  const layers: LayerHeads[] = [];
  const counts = new Map<string, number>();
  const fresh = (kind: string) => {
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return `${kind}.${count}`;
  };
  const shared = new Map<string, string>();
  /** Rotary tables and masks, which layers share: the name of those of that kind. */
  const sharedPart = (kind: string, facts: unknown, nodes: (name: string) => GraphPart): string => {
    const key = kind + JSON.stringify(facts);
    const found = shared.get(key);
    if (found !== undefined) return found;
    const name = fresh(kind);
    shared.set(key, name);
    parts.push(nodes(name));
    return name;
  };
  const ops: BlockOps<string, string> = {
    async rmsNorm(x, weight, epsilon) {
      const out = fresh("norm");
      parts.push({ nodes: [rmsNormNode(x, weight, out, epsilon)] });
      return out;
    },
    async add(a, b) {
      const out = fresh("add");
      parts.push({ nodes: [{ op: "Add", inputs: [a, b], outputs: [out] }] });
      return out;
    },
    async attention(input) {
      const { query, key, value, heads, keyValueHeads, headSize, length, rope, norms, window } = input;
      const rotary =
        rope === null ? null : sharedPart("rotary", rope, (name) => rotaryNodes(name, rope, length));
      const isMasked = cached || window !== null;
      const mask = isMasked ? sharedPart("mask", window, (name) => maskNodes(name, window, cached)) : null;
      const layer = layers.push({ keyValueHeads, headSize }) - 1;
      const cache = {
        pastKey: `past_key_values.${layer}.key`,
        pastValue: `past_key_values.${layer}.value`,
        presentKey: `present.${layer}.key`,
        presentValue: `present.${layer}.value`,
      };
      const out = fresh("attention");
      parts.push(
        attentionNodes(
          {
            ...{ query, key, value, out, norms, mask, causal: true },
            rotary:
              rotary === null
                ? null
                : {
                    ...{ cosine: `${rotary}.cosine`, sine: `${rotary}.sine`, positions: null },
                    size: rope?.rotatedSize ?? headSize,
                  },
            cache: cached ? cache : null,
          },
          { heads, keyValueHeads, headSize, scale: input.scale ?? null, softcap: input.softcap ?? null },
        ),
      );
      return out;
    },
    async gatedActivation(gate, up, activation) {
      const out = fresh("gated");
      parts.push({ nodes: gatedActivationNodes(gate, up, out, activation) });
      return out;
    },
  };
  return { ops, layers };
}

function cacheInputs(layers: readonly LayerHeads[]): readonly GraphValue[] {
  return [
    { name: "attention_mask", shape: ["batch", "total"], type: "int64" },
    { name: "position_ids", shape: ["batch", "sequence"], type: "int64" },
    ...layers.flatMap((heads, layer) => cacheValues("past_key_values", layer, "past", heads)),
  ];
}

function cacheValues(
  name: string,
  layer: number,
  tokens: string,
  { keyValueHeads, headSize }: LayerHeads,
): readonly GraphValue[] {
  const shape = ["batch", keyValueHeads, tokens, headSize];
  return [
    { name: `${name}.${layer}.key`, shape },
    { name: `${name}.${layer}.value`, shape },
  ];
}
