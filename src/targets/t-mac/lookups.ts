/** How the lookups of an activation group are joined. */
export type Aggregation = "exact" | "fast";

/**
 * Joins `count` lookups of 32 rows. Byte `16 · index + lane` holds the table index of row `lane` in its low nibble, of
 * row `lane + 16` in its high one; `entries` has 16 a table. Exact sums are added to `out`: at most 16 · 128 for an
 * activation group, so INT16 holds them. Fast ones replace it by averages.
 */
export function lookUp(
  bytes: Uint8Array,
  entries: Int8Array,
  count: number,
  aggregation: Aggregation,
  out: Int16Array | Int32Array,
): void {
  if (aggregation === "fast") average(bytes, entries, count, out);
  else add(bytes, entries, count, out);
}

function add(bytes: Uint8Array, entries: Int8Array, count: number, out: Int16Array | Int32Array): void {
  for (let index = 0; index < count; index++) {
    for (let lane = 0; lane < 16; lane++) {
      const byte = bytes[index * 16 + lane];
      out[lane] += entries[index * 16 + (byte & 15)];
      out[lane + 16] += entries[index * 16 + (byte >> 4)];
    }
  }
}

/** A balanced tree of `vrhaddq_s8`: neighbours are averaged, halves rounded up, then neighbouring averages. */
function average(bytes: Uint8Array, entries: Int8Array, count: number, out: Int16Array | Int32Array): void {
  const found = new Int8Array(count * 32); // [index, row]
  for (let index = 0; index < count; index++) {
    for (let lane = 0; lane < 16; lane++) {
      const byte = bytes[index * 16 + lane];
      found[index * 32 + lane] = entries[index * 16 + (byte & 15)];
      found[index * 32 + lane + 16] = entries[index * 16 + (byte >> 4)];
    }
  }
  for (let left = count / 2; left >= 1; left /= 2) {
    for (let at = 0; at < left * 32; at++) {
      const pair = (at >> 5) * 64 + (at & 31);
      found[at] = (found[pair] + found[pair + 32] + 1) >> 1;
    }
  }
  out.set(found.subarray(0, 32));
}
