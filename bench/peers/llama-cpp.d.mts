export interface LlamaModel {
  /** Token ids without special tokens. */
  tokenize(text: string): Int32Array;
  /** By non-overlapping windows, as Luthier measures it. */
  perplexity(ids: Int32Array, context: number): { perplexity: number; predictions: number };
  close(): void;
}

export interface LlamaCpp {
  /** @throws Error when llama.cpp does not load the file. */
  open(file: string): LlamaModel;
  readonly version: string;
}

export function openLlamaCpp(threads?: number): LlamaCpp;
