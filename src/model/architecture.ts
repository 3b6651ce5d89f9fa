import type { TensorSource } from "../checkpoint/tensor-source.js";
import type { Kernels } from "../kernels/kernels.js";
import type { Matrix } from "../tensor/matrix.js";
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
  /** Size of the heads that its outputs make up, where these are rotated by position (queries and keys); else null. */
  readonly rotaryHeadSize: number | null;
}

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
}

/** The shape of a tensor of the checkpoint, as stored or as quantized; undefined when there is none of that name. */
export type ShapeOf = (tensor: string) => readonly number[] | undefined;

/** How a model family computes: one file a family. */
export interface Architecture {
  readonly name: string;
  /** The `model_type`s of config.json that it serves. */
  readonly modelTypes: readonly string[];
  /** @throws LuthierError when the configuration is not one of its family or the tensors do not fit it, by name. */
  describe(config: Readonly<Record<string, unknown>>, shapeOf: ShapeOf): ModelDescription;
  /** Loads what block `index` needs besides its linears, and computes it on batches of hidden states. */
  openBlock(index: number, context: ModelContext): Promise<Block>;
  /** What follows the last block, before the head. */
  finalNorm(hidden: Matrix, context: ModelContext): Promise<Matrix>;
}

/** `[windows · length, hidden]` → the same, where each window has `length` tokens from position 0. */
export type Block = (hidden: Matrix, length: number) => Promise<Matrix>;

/** What computing a model needs. */
export interface ModelContext {
  readonly config: Readonly<Record<string, unknown>>;
  /** Where the tensors lie that are not linears. */
  readonly source: TensorSource;
  readonly executor: Executor;
  readonly ops: Ops;
  readonly kernels: Kernels;
}
