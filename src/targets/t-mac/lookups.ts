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
  if (aggregation === "fast") {
    for (let lane = 0; lane < 16; lane++) {
      const found = (shift: number) =>
        Int16Array.from(
          { length: count },
          (_, i) => entries[i * 16 + ((bytes[i * 16 + lane] >> shift) & 15)],
        );
      out[lane] = roundedAverage(found(0));
      out[lane + 16] = roundedAverage(found(4));
    }
    return;
  }
  for (let index = 0; index < count; index++) {
    for (let lane = 0; lane < 16; lane++) {
      const byte = bytes[index * 16 + lane];
      out[lane] += entries[index * 16 + (byte & 15)];
      out[lane + 16] += entries[index * 16 + (byte >> 4)];
    }
  }
}

/** A balanced tree of `vrhaddq_s8`: neighbours are averaged, halves rounded up, then neighbouring averages. */
function roundedAverage(values: Int16Array): number {
  for (let width = values.length; width > 1; width /= 2)
    for (let i = 0; i < width / 2; i++) values[i] = (values[2 * i] + values[2 * i + 1] + 1) >> 1;
  return values[0];
}
