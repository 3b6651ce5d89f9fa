import type { QuantizedLinear } from "../checkpoint-container.js";
import type { GptqParameters } from "./gptq.js";

/**
 * `quantization_config` of GPTQModel: what most linears have, and in `dynamic` what single ones have otherwise (`+:`)
 * or that they stay float (`-:`), by regular expressions over their names.
 */
export function configuration(
  quantized: readonly QuantizedLinear[],
  float: readonly string[],
  { checkpointFormat }: GptqParameters,
): Readonly<Record<string, unknown>> {
  const base = mostCommon(quantized.map(settings));
  const dynamic = Object.fromEntries([
    ...quantized.flatMap((linear) => {
      const others = Object.entries(settings(linear)).filter(([key, value]) => base[key] !== value);
      return others.length === 0 ? [] : [[`+:${exactly(linear.name)}`, Object.fromEntries(others)] as const];
    }),
    // The head stays float without being said.
    ...float.filter((name) => name !== head).map((name) => [`-:${exactly(name)}`, {}] as const),
  ]);
  return {
    quant_method: "gptq",
    checkpoint_format: checkpointFormat,
    format: checkpointFormat,
    ...base,
    desc_act: false,
    lm_head: quantized.some(({ name }) => name === head),
    pack_dtype: "int32",
    ...(Object.keys(dynamic).length > 0 && { dynamic }),
  };
}

const head = "lm_head";

function settings({
  bits,
  groupSize,
  symmetric,
}: QuantizedLinear): Readonly<Record<string, number | boolean>> {
  return { bits, group_size: groupSize ?? -1, sym: symmetric };
}

function mostCommon<T>(values: readonly T[]): T {
  const counts = new Map<string, { value: T; count: number }>();
  for (const value of values) {
    const key = JSON.stringify(value);
    counts.set(key, { value, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()].reduce((most, each) => (each.count > most.count ? each : most)).value;
}

function exactly(name: string): string {
  return `^${name.replaceAll(".", "\\.")}$`;
}
