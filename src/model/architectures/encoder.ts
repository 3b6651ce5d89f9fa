import { type Matrix, matrix } from "../../tensor/matrix.js";
import type {
  Architecture,
  Block,
  ComputingContext,
  EmbeddingContext,
  LinearInfo,
  ModelDescription,
  ModelKind,
  ShapeOf,
  StoredAs,
} from "../architecture.js";
import type { Batch } from "../batches.js";
import type { Activation } from "../graphs.js";
import { kindOf } from "../kind.js";
import { described, normShapes } from "./described.js";
import { layerNorm } from "./layer-norm.js";
import { plainLinear } from "./plain-linear.js";
import { positionRows } from "./positions.js";
import { encoderReadout } from "./readouts.js";
import { residualBlock } from "./residual-block.js";

/*
 * Encoders as BERT (arXiv 1810.04805): tokens see each other in both directions, a norm follows attention and another the
 * feed-forward layer. Families differ in names, in where positions begin, and in what reads the last states.
 */

export interface Encoder {
  readonly modelType: string;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly blocks: number;
  readonly heads: number;
  readonly vocabularySize: number;
  /** Rows of the table of positions, of which the first `firstPosition` belong to no token. */
  readonly positions: number;
  readonly firstPosition: number;
  /** Kinds of tokens; 0 where they have none. */
  readonly segments: number;
  readonly epsilon: number;
  readonly activation: Activation;
  /** What a classifier computes between its two layers. */
  readonly classifierActivation: "tanh" | "relu";
  readonly names: EncoderNames;
}

export interface EncoderNames {
  /** What the four tensors of embeddings begin with: `bert.embeddings`. */
  readonly embeddings: string;
  /** What those of a block begin with, before its number: `bert.encoder.layer`. */
  readonly block: string;
  /** Query, key, value, attention's output, and the feed-forward layer's two. */
  readonly linears: readonly [string, string, string, string, string, string];
  readonly normAfterAttention: string;
  readonly normAfterFeedForward: string;
  /** The two layers of a classifier. */
  readonly classifier: readonly [string, string];
}

/** A family of encoders, by what its config.json says of one. */
export function encoderFamily(
  name: string,
  encoderOf: (config: Readonly<Record<string, unknown>>) => Encoder,
): Architecture {
  return {
    name,
    modelTypes: [name],
    kinds: ["classification", "answering"],
    stored: storedNorms,
    describe: (config, shapeOf) => describeEncoder(encoderOf(config), kindOf(config), shapeOf),
    embed: (embedded, batch, context) => embedTokens(embedded, batch, context, encoderOf(context.config)),
    openBlock: (index, context) => openEncoderBlock(index, context, encoderOf(context.config)),
    finalNorm: async (hidden) => hidden,
  };
}

function describeEncoder(encoder: Encoder, kind: ModelKind, shapeOf: ShapeOf): ModelDescription {
  const { hiddenSize, vocabularySize, positions, segments } = encoder;
  const blocks = Array.from({ length: encoder.blocks }, (_, index) => blockLinears(index, encoder));
  const { word, position, segment, norm } = embeddingNames(encoder);
  const { classifier } = encoder.names;
  return described(
    {
      ...{ modelType: encoder.modelType, kind, blocks, head: null, embedding: word },
      readout: encoderReadout(kind, hiddenSize, classifier, encoder.classifierActivation, shapeOf),
      ...{ hiddenSize, vocabularySize, feedForwardSize: encoder.feedForwardSize },
      contextLength: positions - encoder.firstPosition,
      others: {
        [word]: [vocabularySize, hiddenSize],
        [position]: [positions, hiddenSize],
        ...(segments > 0 && { [segment]: [segments, hiddenSize] }),
        ...normShapes([norm, ...blocks.flatMap((_, index) => normsOf(index, encoder))], hiddenSize),
      },
    },
    shapeOf,
  );
}

/** Positions and kinds of tokens added, and a norm. */
async function embedTokens(
  embedded: Matrix,
  batch: Batch,
  { ops, vector, rows }: EmbeddingContext,
  encoder: Encoder,
): Promise<Matrix> {
  const names = embeddingNames(encoder);
  const positions = await rows(names.position, positionRows(batch, encoder.firstPosition, encoder.positions));
  const segments = encoder.segments > 1 ? batch.segments : null;
  const kinds =
    encoder.segments > 0
      ? (await rows(names.segment, segments ?? new Int32Array(batch.tokens.length))).data
      : null;
  const sum = embedded.data.map((value, i) => value + (kinds?.[i] ?? 0) + positions.data[i]);
  const norm = await layerNorm(names.norm, encoder.epsilon, { ops, vector });
  return norm(matrix(embedded.rows, embedded.columns, sum));
}

async function openEncoderBlock(
  index: number,
  context: ComputingContext,
  encoder: Encoder,
): Promise<Block<Matrix>> {
  const { ops, executor } = context;
  const [afterAttention, afterFeedForward] = await Promise.all(
    normsOf(index, encoder).map((norm) => layerNorm(norm, encoder.epsilon, context)),
  );
  const [q, k, v, o, up, down] = blockLinears(index, encoder).map(({ name }) => name);
  const { heads, hiddenSize, activation } = encoder;

  const attend = async (hidden: Matrix, length: number) => {
    const [query, key, value] = await executor.run([q, k, v], hidden);
    return ops.attention({
      ...{ query, key, value, heads, keyValueHeads: heads, headSize: hiddenSize / heads, length },
      ...{ causal: false, rope: null, norms: null, window: null },
    });
  };
  const widen = async (middle: Matrix) => {
    const [wide] = await executor.run([up], middle);
    return ops.activation(wide, activation);
  };
  return residualBlock(context, {
    ...{ attend, attentionOutput: o, widen, feedForwardOutput: down },
    afterAttention: async (hidden, out) => afterAttention(await ops.add(hidden, out)),
    afterFeedForward: async (middle, out) => afterFeedForward(await ops.add(middle, out)),
  });
}

/** Older checkpoints have TensorFlow's names for the weight and bias of a norm. */
function storedNorms(names: ReadonlySet<string>): ReadonlyMap<string, StoredAs> {
  const old = { gamma: "weight", beta: "bias" };
  return new Map(
    [...names].flatMap((name) => {
      const [, norm, part] = /^(.*\.LayerNorm)\.(gamma|beta)$/.exec(name) ?? [];
      return norm
        ? [[`${norm}.${old[part as keyof typeof old]}`, { name, isTransposed: false }] as const]
        : [];
    }),
  );
}

function embeddingNames({ names: { embeddings } }: Encoder) {
  return {
    word: `${embeddings}.word_embeddings.weight`,
    position: `${embeddings}.position_embeddings.weight`,
    segment: `${embeddings}.token_type_embeddings.weight`,
    norm: `${embeddings}.LayerNorm`,
  };
}

function blockLinears(index: number, encoder: Encoder): readonly LinearInfo[] {
  const { names, hiddenSize: hidden, feedForwardSize: wide, heads } = encoder;
  const [q, k, v, o, up, down] = names.linears.map((name) => `${names.block}.${index}.${name}`);
  const attention = { rows: 3 * hidden, keyValueHeads: heads, headSize: hidden / heads };
  return [
    plainLinear(q, hidden, hidden, { attention }),
    plainLinear(k, hidden, hidden, { attention }),
    plainLinear(v, hidden, hidden, { attention }),
    plainLinear(o, hidden, hidden),
    plainLinear(up, wide, hidden),
    plainLinear(down, hidden, wide),
  ];
}

/** The norms after attention and after the feed-forward layer. */
function normsOf(index: number, { names }: Encoder): readonly string[] {
  return [names.normAfterAttention, names.normAfterFeedForward].map(
    (norm) => `${names.block}.${index}.${norm}`,
  );
}
