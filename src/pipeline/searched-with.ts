import type { Quantizer } from "../quantizers/quantizer.js";
import { quantizers } from "../quantizers/registry.js";
import { rtn } from "../quantizers/rtn.js";
import type { QuantizeChoice } from "../recipe/schema.js";

/**
 * What a search over weights quantizes with in place of a linear's method: the method itself where it looks at weights
 * alone, else round-to-nearest of the same bits and group; null when the method has neither.
 */
export function searchedWith({
  method,
  ...options
}: QuantizeChoice): { readonly quantizer: Quantizer; readonly options: object } | null {
  const quantizer = quantizers.find(({ name }) => name === method);
  if (quantizer) return { quantizer, options };
  const { bits, group, symmetric = false } = options as Readonly<Record<string, unknown>>;
  if (bits === undefined || group === undefined) return null;
  const rounding = rtn.options.safeParse({ bits, group, symmetric });
  return rounding.success ? { quantizer: rtn, options: rounding.data } : null;
}
