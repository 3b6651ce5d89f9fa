import type { TensorSource } from "../checkpoint/tensor-source.js";
import type { TokenizerFiles } from "../checkpoint/tokenizer.js";
import type { WeightOutline } from "../schemes/scheme.js";
import type { Tensors } from "../tensor/tensor.js";
import type { PackedLinear, Refusal } from "./target.js";

/**
 * A format that keeps a whole model in files of its own, so that another runtime loads it: packed linears, tensors that
 * stayed float, configuration and tokenizer. The engine reads linears back from those files, so what is scored is what is
 * shipped.
 */
export interface Container<
  Parameters extends object = object,
  Outline extends WeightOutline = WeightOutline,
> {
  /** Why a model cannot be put into the format; null when it can. Judged before any work starts. */
  refuse(model: ModelToJudge<Outline>, parameters: Parameters): Refusal | null;
  /**
   * Writes the model's files into `folder`, each one atomically. Deterministic: the same model gives the same bytes.
   * @returns the files' names inside the folder, and for every linear the file that it lies in.
   */
  write(folder: string, model: ModelToWrite<Outline>, parameters: Parameters): Promise<WrittenModel>;
  /** Opens the files of `write` for reading linears back. @throws LuthierError when they are damaged or missing. */
  open(folder: string): Promise<OpenContainer<Outline>>;
}

/** What a model is judged by before its linears are quantized. */
export interface ModelToJudge<Outline extends WeightOutline = WeightOutline> {
  /** config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The linears that are packed, in the order of the model. */
  readonly quantized: readonly NamedOutline<Outline>[];
  /** Null when the checkpoint has none. */
  readonly tokenizer: TokenizerFiles | null;
  /** Norms in its blocks whose weights are not all 1; looked for only where the target computes norms itself. */
  readonly weightedNorms: readonly string[];
}

/** A quantized model as a container takes it in. */
export interface ModelToWrite<Outline extends WeightOutline = WeightOutline> {
  /** config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Folder of config.json and the tokenizer's files. */
  readonly directory: string;
  /** Tensors that stayed as the checkpoint has them, by its names: embedding, norms, biases, kept linears. */
  readonly kept: TensorSource;
  /** The quantized linears in the order of the model. */
  readonly linears: readonly LinearToWrite<Outline>[];
}

/** A linear before it is quantized. */
export interface NamedOutline<Outline extends WeightOutline = WeightOutline> {
  /** `model.layers.0.self_attn.q_proj`; its weight's tensor in the checkpoint is `<name>.weight`. */
  readonly name: string;
  readonly weight: Outline;
}

export interface LinearToWrite<Outline extends WeightOutline = WeightOutline> extends NamedOutline<Outline> {
  /** Reads the scheme and packs it; called when it is written, so that one linear is in memory at a time. */
  pack(): Promise<PackedLinear<Outline>>;
}

export interface WrittenModel {
  readonly files: readonly string[];
  readonly linears: readonly WrittenLinear[];
}

export interface WrittenLinear {
  readonly name: string;
  /** One of `files`. */
  readonly file: string;
  /** Bytes of its packed tensors. */
  readonly bytes: number;
  readonly layout: PackedLinear["layout"];
}

export interface OpenContainer<Outline extends WeightOutline = WeightOutline> {
  /** The tensors of one linear, as the target's `pack` made them. */
  read(linear: Pick<WrittenLinear, "name" | "layout"> & { readonly weight: Outline }): Promise<Tensors>;
  close(): Promise<void>;
}
