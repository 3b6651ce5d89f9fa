/** Windows of one length, one after another. */
export interface Batch {
  readonly tokens: Int32Array;
  readonly length: number;
  /** Of each token which of two texts it belongs to, 0 or 1; null where there is one. */
  readonly segments: Int32Array | null;
}

const batchTokens = 2048;

/**
 * Neighbouring windows of equal length, about 2,048 tokens at a time.
 * @param segments of each window, as in `Batch`; none by default.
 */
export function batchesOf(
  windows: readonly Int32Array[],
  segments: readonly (Int32Array | null)[] = [],
): readonly Batch[] {
  const batches: Batch[] = [];
  for (let first = 0; first < windows.length; ) {
    const { length } = windows[first];
    const most = Math.max(1, Math.floor(batchTokens / length));
    let last = first + 1;
    while (last < windows.length && last - first < most && windows[last].length === length) last++;
    const together = segments.slice(first, last);
    batches.push({
      tokens: joined(windows.slice(first, last), length),
      length,
      segments: together.some((each) => each !== null)
        ? joined(
            together.map((each) => each ?? new Int32Array(length)),
            length,
          )
        : null,
    });
    first = last;
  }
  return batches;
}

function joined(windows: readonly Int32Array[], length: number): Int32Array {
  const out = new Int32Array(windows.length * length);
  for (const [at, window] of windows.entries()) out.set(window, at * length);
  return out;
}

/** Batches whose hidden states fit in memory together. */
export function passesOf(
  batches: readonly Batch[],
  hiddenSize: number,
  mostBytes: number,
): readonly (readonly Batch[])[] {
  const passes: Batch[][] = [];
  let held = Number.POSITIVE_INFINITY;
  for (const batch of batches) {
    const bytes = batch.tokens.length * hiddenSize * 4;
    if (held + bytes > mostBytes) {
      passes.push([]);
      held = 0;
    }
    passes[passes.length - 1].push(batch);
    held += bytes;
  }
  return passes;
}
