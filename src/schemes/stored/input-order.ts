import { misshapen } from "./format.js";
import type { InputOrder } from "./stored-linear.js";

/**
 * Where the inputs stand when they are sorted by their groups: null when group i has the inputs `i·g … (i+1)·g − 1`
 * already.
 *
 * @param groupOf `[K]`: the group of each input (`g_idx`).
 * @throws LuthierError naming the tensor when a group has not exactly `group` inputs.
 */
export function inputOrder(groupOf: Int32Array, group: number, name: string): InputOrder {
  if (groupOf.every((index, input) => index === Math.floor(input / group))) return null;
  const groups = groupOf.length / group;
  const next = Uint32Array.from({ length: groups }, (_, index) => index * group);
  const order = new Uint32Array(groupOf.length);
  for (const [input, index] of groupOf.entries()) {
    if (index < 0 || index >= groups || next[index] === (index + 1) * group) {
      throw misshapen(
        name,
        `places input ${input} in group ${index}; there are ${groups} groups of ${group}`,
      );
    }
    order[next[index]++] = input;
  }
  return order;
}
