/** What a long job tells while it runs. */
export interface Progress {
  /** `quantize`, `pack t-mac`, `verify`, `perplexity lut` … */
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  /** What `done` counts, or what is under way: a linear, a file. */
  readonly what: string;
}

export type OnProgress = (progress: Progress) => void;
