import type { AttentionShape } from "./attention-graph.js";

/*
 * Attention in parts. onnxruntime holds the scores of a whole run, windows · heads · queries · keys of them, which for
 * 32 heads and 8,192 tokens is 8 GiB; so a run computes some queries only, with the keys that they see.
 */

/** What one run computes. */
export interface AttentionPart {
  readonly windows: Range;
  /** Positions within a window. */
  readonly queries: Range;
  readonly keys: Range;
  /** Which of these keys a query sees: those up to its own place, those of a mask, or all. */
  readonly sees: AttentionShape["sees"];
}

/** `first` inclusive to `last` exclusive. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** A run's scores take at most this. */
export const scoreBytes = 128 * 2 ** 20;

/** Many windows at a time when they are short, some queries of one window when it is long. */
export function attentionParts(
  shape: {
    readonly windows: number;
    readonly heads: number;
    readonly length: number;
    readonly causal?: boolean;
    readonly window: number | null;
  },
  mostBytes = scoreBytes,
): readonly AttentionPart[] {
  const { windows, heads, length, causal = true, window } = shape;
  const queryBytes = 4 * heads * length;
  const parts: AttentionPart[] = [];
  if (queryBytes * length <= mostBytes) {
    const step = Math.floor(mostBytes / (queryBytes * length));
    const all = { first: 0, last: length };
    const sees = !causal ? "all" : window !== null && window < length ? "masked" : "before";
    for (const some of ranges(windows, step)) parts.push({ windows: some, queries: all, keys: all, sees });
    return parts;
  }
  const step = Math.max(1, Math.floor(mostBytes / queryBytes));
  for (const one of ranges(windows, 1)) {
    for (const queries of ranges(length, step)) {
      const first = window === null ? 0 : Math.max(0, queries.first - window + 1);
      const keys = causal ? { first, last: queries.last } : { first: 0, last: length };
      parts.push({ windows: one, queries, keys, sees: causal ? "masked" : "all" });
    }
  }
  return parts;
}

function ranges(count: number, step: number): readonly Range[] {
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => ({
    first: i * step,
    last: Math.min(count, (i + 1) * step),
  }));
}

/** `[queries, keys]`, 1 where a query sees a key: not after it, and among the last `window` up to it. */
export function attentionMask({ queries, keys }: AttentionPart, window: number | null): Uint8Array {
  const columns = keys.last - keys.first;
  const mask = new Uint8Array((queries.last - queries.first) * columns);
  for (let query = queries.first; query < queries.last; query++) {
    const row = (query - queries.first) * columns;
    const first = window === null ? 0 : Math.max(0, query - window + 1 - keys.first);
    mask.fill(1, row + first, row + query - keys.first + 1);
  }
  return mask;
}
