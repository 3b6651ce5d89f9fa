import type { StoredAs } from "../architecture.js";

/**
 * Tensors whose names lack a prefix that the family's names have: checkpoints that were saved without a head.
 * @param bare what names without it begin with.
 */
export function withPrefix(
  prefix: string,
  bare: readonly string[],
  names: ReadonlySet<string>,
): ReadonlyMap<string, StoredAs> {
  const lacking = [...names].filter((name) => bare.some((begin) => name.startsWith(begin)));
  return new Map(lacking.map((name) => [`${prefix}${name}`, { name, isTransposed: false }]));
}
