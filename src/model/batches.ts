/** Windows of one length, one after another. */
export interface Batch {
  readonly tokens: Int32Array;
  readonly length: number;
}

const batchTokens = 2048;

/** Neighbouring windows of equal length, about 2,048 tokens at a time. */
export function batchesOf(windows: readonly Int32Array[]): readonly Batch[] {
  const batches: Batch[] = [];
  for (let first = 0; first < windows.length; ) {
    const { length } = windows[first];
    const most = Math.max(1, Math.floor(batchTokens / length));
    let last = first + 1;
    while (last < windows.length && last - first < most && windows[last].length === length) last++;
    const tokens = new Int32Array((last - first) * length);
    for (let i = first; i < last; i++) tokens.set(windows[i], (i - first) * length);
    batches.push({ tokens, length });
    first = last;
  }
  return batches;
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
