import type { AttentionProjections } from "../quantizers/calibrated-quantizer.js";
import type { BlockOps } from "./block-ops.js";
import type { Executor } from "./executor.js";

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
}

/**
 * What a model's head gives: the next token's probabilities (…ForCausalLM), logits of classes (…ForSequenceClassification)
 * or where an answer begins and ends (…ForQuestionAnswering).
 */
export type ModelKind = "causal" | "classification" | "answering";

export interface ModelDescription {
  readonly modelType: string;
  /** The linears of each block, in the order in which they are computed. */
  readonly blocks: readonly (readonly LinearInfo[])[];
  /** `lm_head`; a tied one has the embedding as its tensor. */
  readonly head: LinearInfo;
  /** The embedding's tensor, `[vocabulary, hidden]`. */
  readonly embedding: string;
  readonly hiddenSize: number;
  /** Width of the feed-forward layers. */
  readonly feedForwardSize: number;
  readonly vocabularySize: number;
  /** The longest context that the configuration allows. */
  readonly contextLength: number;
  /** Every other tensor that computing needs: embedding, norms and biases. */
  readonly floatTensors: readonly string[];
  /** Channels that may be put in another order; empty for a family that says nothing of them. */
  readonly channels: readonly ChannelGroup[];
  /** Inputs whose channels may be scaled; empty for a family that says nothing of them. */
  readonly scalable: readonly ScalableInput[];
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
 * How a model family computes: one file a family. What flows through its blocks is matrices when a model is computed,
 * and names of values when its graph is written.
 */
export interface Architecture {
  readonly name: string;
  /** The `model_type`s of config.json that it serves. */
  readonly modelTypes: readonly string[];
  /** @throws LuthierError when the configuration is not one of its family or the tensors do not fit it, by name. */
  describe(config: Readonly<Record<string, unknown>>, shapeOf: ShapeOf): ModelDescription;
  /** Loads what block `index` needs besides its linears, and computes it on batches of hidden states. */
  openBlock<Value, Vector>(index: number, context: ModelContext<Value, Vector>): Promise<Block<Value>>;
  /** What follows the last block, before the head. */
  finalNorm<Value, Vector>(hidden: Value, context: ModelContext<Value, Vector>): Promise<Value>;
}

/** `[windows · length, hidden]` → the same, where each window has `length` tokens from position 0. */
export type Block<Value> = (hidden: Value, length: number) => Promise<Value>;

/** What an architecture is given to work with. */
export interface ModelContext<Value, Vector> {
  readonly config: Readonly<Record<string, unknown>>;
  readonly executor: Pick<Executor<Value>, "run">;
  readonly ops: BlockOps<Value, Vector>;
  /** The weight of a norm, by its tensor's name. */
  vector(tensor: string): Promise<Vector>;
}
