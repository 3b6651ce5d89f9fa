import { LuthierError } from "../error.js";
import type { AttentionProjections } from "../quantizers/calibrated-quantizer.js";
import type { Matrix } from "../tensor/matrix.js";
import type { Batch } from "./batches.js";
import type { BlockOps } from "./block-ops.js";
import type { Executor } from "./executor.js";
import type { Ops } from "./ops.js";

/** One weight matrix of a model, the unit of quantization. */
export interface LinearInfo {
  /** `model.layers.0.self_attn.q_proj`: the name that recipes match. */
  readonly name: string;
  /** Outputs N. */
  readonly rows: number;
  /** Inputs K. */
  readonly columns: number;
  /** The weight's tensor in the checkpoint. */
  readonly tensor: string;
  /** The bias's tensor, if it has one. */
  readonly bias: string | null;
  /** The weight's tensor of the norm that its input comes out of, if it does. */
  readonly norm: string | null;
  /** The weight's tensor of the norm over each head of its outputs, before they are rotated, if there is one. */
  readonly headNorm: string | null;
  /** Size of the heads that its outputs make up, where these are rotated by position (queries and keys); else null. */
  readonly rotaryHeadSize: number | null;
  /** What the projections of one attention (queries, keys, values) have together; null for all other linears. */
  readonly attention: AttentionProjections | null;
  /** True of an expert's: only the tokens that a router gives to it are its inputs. Absent of all others. */
  readonly isRouted?: true;
}

/**
 * What a model's head gives: the next token's probabilities (…ForCausalLM), logits of classes (…ForSequenceClassification)
 * or where an answer begins and ends (…ForQuestionAnswering).
 */
export type ModelKind = "causal" | "classification" | "answering";

export interface ModelDescription {
  readonly modelType: string;
  readonly kind: ModelKind;
  /** The linears of each block, in the order in which they are computed. */
  readonly blocks: readonly (readonly LinearInfo[])[];
  /** `lm_head` of a causal model, the embedding its tensor when it is tied; null of all others. */
  readonly head: LinearInfo | null;
  /** What follows the last hidden states of a model that is not causal; its few weights always stay float. */
  readonly readout: Readout | null;
  /** The embedding's tensor, `[vocabulary, hidden]`. */
  readonly embedding: string;
  readonly hiddenSize: number;
  /** Width of the feed-forward layers. */
  readonly feedForwardSize: number;
  readonly vocabularySize: number;
  /** Logits x of its tokens are drawn into (−c, c) by `c · tanh(x / c)`; null where they are not. */
  readonly logitCap: number | null;
  /** The longest context that the configuration allows. */
  readonly contextLength: number;
  /** Every other tensor that computing needs: embedding, norms and biases. */
  readonly floatTensors: readonly string[];
  /** Channels that may be put in another order; empty for a family that says nothing of them. */
  readonly channels: readonly ChannelGroup[];
  /** Inputs whose channels may be scaled; empty for a family that says nothing of them. */
  readonly scalable: readonly ScalableInput[];
}

/** Small layers after the last hidden states: of a classifier, or of a model that answers questions. */
export interface Readout {
  /** The tokens whose hidden states it takes. */
  readonly of: "first" | "last" | "every";
  readonly layers: readonly ReadoutLayer[];
}

export interface ReadoutLayer {
  /** Tensor `[rows, columns]`. */
  readonly weight: string;
  /** Tensor `[rows]`; null without one. */
  readonly bias: string | null;
  readonly rows: number;
  readonly columns: number;
  readonly activation: "tanh" | "relu" | null;
}

/** Every linear of a model, in the order in which they are computed. */
export function linearsOf({
  blocks,
  head,
}: Pick<ModelDescription, "blocks" | "head">): readonly LinearInfo[] {
  return [...blocks.flat(), ...(head ? [head] : [])];
}

/** The head of a causal model. @throws LuthierError for a model that predicts no tokens. */
export function causalHead({ head, kind, modelType }: ModelDescription): LinearInfo {
  if (head !== null) return head;
  throw new LuthierError(
    `this ${modelType} is a model for ${kind === "answering" ? "question answering" : "classification"}: it predicts no next token`,
    "use a causal language model, or a task for this kind (`luthier tasks`)",
    { usage: true },
  );
}

/**
 * Channels that are computed alike, each by itself: in another order, the same in all places where they lie, the model
 * computes the same but for the order of its sums.
 */
export interface ChannelGroup {
  /** `residual`, `model.layers.0.mlp`, `model.layers.0.self_attn.values.0`. */
  readonly name: string;
  readonly size: number;
  /**
   * Whether they are only added up, mixed by linears and normed by their root mean square: then any rotation of them, not
   * only another order, leaves the model the same, once the norms' weights are in the linears behind them.
   */
  readonly rotatable: boolean;
  readonly places: readonly ChannelPlace[];
}

/** Where the channels of a group lie in a tensor. */
export interface ChannelPlace {
  readonly tensor: string;
  /** A vector has rows. A linear whose columns they are reads them. */
  readonly along: "rows" | "columns";
  /** Where they begin; more than once where several runs of the tensor are the same channels. */
  readonly firsts: readonly number[];
}

/**
 * An input of linears whose channels may be divided where they are made and multiplied where they are read: the model
 * computes the same but for roundings.
 */
export interface ScalableInput {
  /** All that read it; their columns are its channels. */
  readonly linears: readonly LinearInfo[];
  /** What its channels come out of: the weight of a norm, or the rows of a linear before. */
  readonly madeBy: "norm" | "linear";
  readonly runs: readonly ScalableRun[];
}

/** Channels of an input that are made one after another. */
export interface ScalableRun {
  readonly size: number;
  /** The tensors whose rows, from `first` on, make them. */
  readonly makers: readonly { readonly tensor: string; readonly first: number }[];
  /** Where they begin in the input; more than once where they are read several times, with the same scales then. */
  readonly firsts: readonly number[];
}

/** The shape of a tensor of the checkpoint, as stored or as quantized; undefined when there is none of that name. */
export type ShapeOf = (tensor: string) => readonly number[] | undefined;

/**
 * How a model family computes: one file a family.
 */
export interface Architecture {
  readonly name: string;
  /** The `model_type`s of config.json that it serves. */
  readonly modelTypes: readonly string[];
  /**
   * The tensors that lie in checkpoints otherwise than the family speaks of them, by the family's names; for families with
   * only one way to store them it is left out.
   * @param names of all tensors of a checkpoint.
   */
  stored?(names: ReadonlySet<string>): ReadonlyMap<string, StoredAs>;
  /** @throws LuthierError when the configuration is not one of its family or the tensors do not fit it, by name. */
  describe(config: Readonly<Record<string, unknown>>, shapeOf: ShapeOf): ModelDescription;
  /** The heads that it is known with. */
  readonly kinds: readonly ModelKind[];
  /**
   * What becomes of the tokens' embeddings before the first block, where that is anything: positions or kinds of tokens
   * added, a norm, a scale.
   * @param embedded `[windows · length, hidden]`, rows of the embedding.
   */
  embed?(embedded: Matrix, batch: Batch, context: EmbeddingContext): Promise<Matrix>;
  /** Loads what block `index` needs besides its linears, and computes it on batches of hidden states. */
  openBlock(index: number, context: ComputingContext): Promise<Block<Matrix>>;
  /** What follows the last block, before the head. */
  finalNorm(hidden: Matrix, context: ComputingContext): Promise<Matrix>;
}

/** A family whose graph can be written too: names of values flow through its blocks then instead of matrices. */
export interface WritableArchitecture extends Architecture {
  openBlock<Value, Vector>(index: number, context: ModelContext<Value, Vector>): Promise<Block<Value>>;
  finalNorm<Value, Vector>(hidden: Value, context: ModelContext<Value, Vector>): Promise<Value>;
}

/** What embeddings are made with. */
export interface EmbeddingContext extends Omit<ComputingContext, "executor"> {
  /** Rows of a matrix of the checkpoint, one for each index. */
  rows(tensor: string, indices: Int32Array): Promise<Matrix>;
}

/** `[windows · length, hidden]` → the same, where each window has `length` tokens from position 0. */
export type Block<Value> = (hidden: Value, length: number) => Promise<Value>;

/** How a tensor lies in a checkpoint. */
export interface StoredAs {
  readonly name: string;
  /** Whether it is a weight `[K, N]`, as transformers' Conv1D has it. */
  readonly isTransposed: boolean;
}

/** What an architecture is given to compute with. */
export interface ComputingContext extends ModelContext<Matrix, Float32Array> {
  readonly ops: Omit<Ops, "close">;
  /** A weight that always stays float, `[N, K]`, by its tensor's name. */
  matrix(tensor: string): Promise<Matrix>;
}

/** What an architecture is given to work with. */
export interface ModelContext<Value, Vector> {
  readonly config: Readonly<Record<string, unknown>>;
  readonly executor: Pick<Executor<Value>, "run">;
  readonly ops: BlockOps<Value, Vector>;
  /** The weight of a norm, by its tensor's name. */
  vector(tensor: string): Promise<Vector>;
}
