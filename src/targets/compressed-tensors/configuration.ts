import type { QuantizedLinear } from "../checkpoint-container.js";

/**
 * `quantization_config` of compressed-tensors: a group of linears for every kind of weight. One kind takes all linears
 * but those of `ignore`; with more kinds each names its own.
 */
export function configuration(
  quantized: readonly QuantizedLinear[],
  float: readonly string[],
): Readonly<Record<string, unknown>> {
  const kinds = new Map<string, { weights: object; names: string[] }>();
  for (const linear of quantized) {
    const weights = weightArguments(linear);
    const key = JSON.stringify(weights);
    const kind = kinds.get(key) ?? { weights, names: [] };
    kind.names.push(linear.name);
    kinds.set(key, kind);
  }
  const groups = [...kinds.values()].map(({ weights, names }, index) => [
    `group_${index}`,
    {
      targets: kinds.size === 1 ? ["Linear"] : names,
      weights,
      input_activations: null,
      output_activations: null,
    },
  ]);
  return {
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    quantization_status: "compressed",
    config_groups: Object.fromEntries(groups),
    ignore: float,
    kv_cache_scheme: null,
  };
}

function weightArguments({ bits, groupSize, symmetric }: QuantizedLinear): object {
  return {
    num_bits: bits,
    type: "int",
    symmetric,
    strategy: groupSize === null ? "channel" : "group",
    group_size: groupSize,
    dynamic: false,
  };
}
