import { z } from "zod";
import { LuthierError } from "../../error.js";
import { matrix } from "../../tensor/matrix.js";
import type {
  Architecture,
  LinearInfo,
  ModelContext,
  ModelKind,
  Readout,
  ReadoutLayer,
  ShapeOf,
  StoredAs,
} from "../architecture.js";
import { kindOf } from "../kind.js";
import { expectReadout, expectShape, tensorsOf } from "./expected-shapes.js";
import { namedActivation, parseFamilyConfig } from "./family-config.js";
import { layerNorm } from "./layer-norm.js";
import { plainLinear } from "./plain-linear.js";

/*
 * BERT (arXiv 1810.04805): an encoder whose tokens see each other in both directions, with a norm after attention and
 * feed-forward layer. MiniLM and TinyBERT are BERTs by their configuration.
 */

export const bert: Architecture = {
  name: "bert",
  modelTypes: ["bert"],
  kinds: ["classification", "answering"],

  stored: storedNorms,

  describe(rawConfig, shapeOf) {
    const config = parseConfig(rawConfig);
    const kind = kindOf(rawConfig);
    const hidden = config.hidden_size;
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) =>
      blockLinears(index, config),
    );
    const readout = readoutOf(kind, config, shapeOf);
    const tables = [
      [embeddings.word, config.vocab_size],
      [embeddings.position, config.max_position_embeddings],
      [embeddings.kind, config.type_vocab_size],
    ] as const;
    const norms = [embeddings.norm, ...blocks.flatMap((_, index) => normsOf(index))].flatMap((norm) => [
      `${norm}.weight`,
      `${norm}.bias`,
    ]);
    for (const [table, rows] of tables) expectShape(shapeOf, table, [rows, hidden]);
    for (const { tensor, bias, rows, columns } of blocks.flat()) {
      expectShape(shapeOf, tensor, [rows, columns]);
      expectShape(shapeOf, bias ?? "", [rows]);
    }
    for (const norm of norms) expectShape(shapeOf, norm, [hidden]);
    expectReadout(shapeOf, readout);
    return {
      modelType: config.model_type,
      kind,
      blocks,
      head: null,
      readout,
      embedding: embeddings.word,
      hiddenSize: hidden,
      feedForwardSize: config.intermediate_size,
      vocabularySize: config.vocab_size,
      contextLength: config.max_position_embeddings,
      floatTensors: [
        ...tables.map(([table]) => table),
        ...norms,
        ...blocks.flat().flatMap(({ bias }) => bias ?? []),
        ...tensorsOf(readout),
      ],
      channels: [],
      scalable: [],
    };
  },

  async embed(embedded, { tokens, length, segments }, { config, ops, vector, rows }) {
    const positions = await rows(
      embeddings.position,
      tokens.map((_, at) => at % length),
    );
    const kinds = await rows(embeddings.kind, segments ?? new Int32Array(tokens.length));
    const sum = embedded.data.map((value, i) => value + kinds.data[i] + positions.data[i]);
    const { layer_norm_eps: epsilon } = parseConfig(config);
    const norm = await layerNorm(embeddings.norm, epsilon, { ops, vector });
    return norm(matrix(embedded.rows, embedded.columns, sum));
  },

  async openBlock<Value, Vector>(index: number, context: ModelContext<Value, Vector>) {
    const config = parseConfig(context.config);
    const { ops, executor } = context;
    const [afterAttention, afterFeedForward] = await Promise.all(
      normsOf(index).map((norm) => layerNorm(norm, config.layer_norm_eps, context)),
    );
    const activation = namedActivation(config.hidden_act);
    const [q, k, v, o, up, down] = blockLinears(index, config).map(({ name }) => name);
    const heads = config.num_attention_heads;

    const attention = async (hidden: Value, length: number) => {
      const [query, key, value] = await executor.run([q, k, v], hidden);
      const attended = await ops.attention({
        ...{ query, key, value, heads, keyValueHeads: heads, headSize: config.hidden_size / heads, length },
        ...{ causal: false, rope: null, norms: null, window: null },
      });
      const [out] = await executor.run([o], attended);
      return afterAttention(await ops.add(hidden, out));
    };
    const feedForward = async (middle: Value) => {
      const [wide] = await executor.run([up], middle);
      const [out] = await executor.run([down], await ops.activation(wide, activation));
      return afterFeedForward(await ops.add(middle, out));
    };
    return (hidden: Value, length: number) => attention(hidden, length).then(feedForward);
  },

  finalNorm: async (hidden) => hidden,
};

const embeddings = {
  word: "bert.embeddings.word_embeddings.weight",
  position: "bert.embeddings.position_embeddings.weight",
  kind: "bert.embeddings.token_type_embeddings.weight",
  norm: "bert.embeddings.LayerNorm",
};

/** Older checkpoints have TensorFlow's names for the weight and bias of a norm. */
function storedNorms(names: ReadonlySet<string>): ReadonlyMap<string, StoredAs> {
  const old = { gamma: "weight", beta: "bias" };
  return new Map(
    [...names].flatMap((name) => {
      const [, norm, kind] = /^(.*\.LayerNorm)\.(gamma|beta)$/.exec(name) ?? [];
      return norm
        ? [[`${norm}.${old[kind as keyof typeof old]}`, { name, isTransposed: false }] as const]
        : [];
    }),
  );
}

const configSchema = z.looseObject({
  model_type: z.literal("bert"),
  hidden_size: z.int().positive(),
  intermediate_size: z.int().positive(),
  num_hidden_layers: z.int().positive().max(10_000), // the names of their tensors are made before any is looked up
  num_attention_heads: z.int().positive(),
  vocab_size: z.int().positive(),
  type_vocab_size: z.int().positive().default(2),
  max_position_embeddings: z.int().positive(),
  layer_norm_eps: z.number().positive().default(1e-12),
  hidden_act: z.string().default("gelu"),
  position_embedding_type: z.literal("absolute").nullish(),
  is_decoder: z.literal(false).nullish(),
});

type Config = z.infer<typeof configSchema>;

function parseConfig(config: Readonly<Record<string, unknown>>): Config {
  const parsed = parseFamilyConfig(configSchema, config, "BERT");
  if (parsed.hidden_size % parsed.num_attention_heads !== 0) {
    throw new LuthierError(
      `config.json: a hidden size of ${parsed.hidden_size} is no multiple of ${parsed.num_attention_heads} heads`,
      "check hidden_size and num_attention_heads",
    );
  }
  return parsed;
}

/** Query, key, value, attention's output, and the feed-forward layer's two. */
function blockLinears(index: number, config: Config): readonly LinearInfo[] {
  const { hidden_size: hidden, intermediate_size: wide, num_attention_heads: heads } = config;
  const block = `bert.encoder.layer.${index}`;
  const attention = { rows: 3 * hidden, keyValueHeads: heads, headSize: hidden / heads };
  return [
    plainLinear(`${block}.attention.self.query`, hidden, hidden, { attention }),
    plainLinear(`${block}.attention.self.key`, hidden, hidden, { attention }),
    plainLinear(`${block}.attention.self.value`, hidden, hidden, { attention }),
    plainLinear(`${block}.attention.output.dense`, hidden, hidden),
    plainLinear(`${block}.intermediate.dense`, wide, hidden),
    plainLinear(`${block}.output.dense`, hidden, wide),
  ];
}

/** The norms after attention and after the feed-forward layer. */
function normsOf(index: number): readonly string[] {
  const block = `bert.encoder.layer.${index}`;
  return [`${block}.attention.output.LayerNorm`, `${block}.output.LayerNorm`];
}

/** A classifier reads the pooled first token, `[CLS]`. */
function readoutOf(kind: ModelKind, { hidden_size: hidden }: Config, shapeOf: ShapeOf): Readout {
  const layer = (name: string, rows: number, activation: ReadoutLayer["activation"]) => {
    return { weight: `${name}.weight`, bias: `${name}.bias`, rows, columns: hidden, activation };
  };
  if (kind === "answering") return { of: "every", layers: [layer("qa_outputs", 2, null)] };
  const classes = shapeOf("classifier.weight")?.[0] ?? 0;
  return {
    of: "first",
    layers: [layer("bert.pooler.dense", hidden, "tanh"), layer("classifier", classes, null)],
  };
}
