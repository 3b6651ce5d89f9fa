import { z } from "zod";
import { LuthierError } from "../error.js";

/*
 * Rotary position embedding (arXiv 2104.09864) and its published extensions to longer contexts, with the names and
 * formulas of transformers' `modeling_rope_utils`.
 */

/** `rope_scaling`, or the newer `rope_parameters`, of a config.json. */
export const ropeScaling = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive().optional(),
  original_max_position_embeddings: z.number().positive().optional(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  beta_fast: z.number().positive().optional(),
  beta_slow: z.number().positive().optional(),
  attention_factor: z.number().positive().optional(),
  mscale: z.number().optional(),
  mscale_all_dim: z.number().optional(),
  truncate: z.boolean().optional(),
});

export interface Rope {
  readonly headSize: number;
  readonly theta: number;
  readonly contextLength: number;
  readonly scaling: z.infer<typeof ropeScaling> | null;
}

/** Cosines and sines `[length, headSize / 2]` for positions 0 … length − 1. */
export function rotaryTables(rope: Rope, length: number): { cosine: Float32Array; sine: Float32Array } {
  const { frequencies, attentionFactor } = frequenciesOf(rope, length);
  const half = rope.headSize / 2;
  const cosine = new Float32Array(length * half);
  const sine = new Float32Array(length * half);
  for (let position = 0; position < length; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * frequencies[i];
      cosine[position * half + i] = Math.cos(angle) * attentionFactor;
      sine[position * half + i] = Math.sin(angle) * attentionFactor;
    }
  }
  return { cosine, sine };
}

/** The kind of scaling, checked when the model is opened. @throws LuthierError for one that is not known. */
export function ropeKind({ scaling }: Rope): "default" | "linear" | "dynamic" | "llama3" | "yarn" {
  const kind = scaling?.rope_type ?? scaling?.type ?? "default";
  const known = ["default", "linear", "dynamic", "llama3", "yarn"] as const;
  const found = known.find((name) => name === kind);
  if (found) return found;
  throw new LuthierError(
    `config.json asks for rope scaling '${kind}'; known are ${known.join(", ")}`,
    "use a checkpoint without it, or remove rope_scaling if your contexts are no longer than the original ones",
  );
}

interface Frequencies {
  /** Radians a position, `[headSize / 2]`. */
  readonly frequencies: readonly number[];
  /** On cosines and sines, so on q·k twice. */
  readonly attentionFactor: number;
}

function frequenciesOf(rope: Rope, length: number): Frequencies {
  const { headSize, theta, contextLength, scaling } = rope;
  const plain = inverseFrequencies(theta, headSize);
  const factor = scaling?.factor ?? 1;
  switch (ropeKind(rope)) {
    case "default":
      return { frequencies: plain, attentionFactor: 1 };
    case "linear":
      return { frequencies: plain.map((frequency) => frequency / factor), attentionFactor: 1 };
    case "dynamic": {
      const stretched = Math.max(length, contextLength);
      const growth = (factor * stretched) / contextLength - (factor - 1);
      return {
        frequencies: inverseFrequencies(theta * growth ** (headSize / (headSize - 2)), headSize),
        attentionFactor: 1,
      };
    }
    case "llama3":
      return { frequencies: plain.map((frequency) => llama3Frequency(frequency, rope)), attentionFactor: 1 };
    case "yarn":
      return yarn(plain, rope);
  }
}

function inverseFrequencies(theta: number, headSize: number): readonly number[] {
  return Array.from({ length: headSize / 2 }, (_, i) => theta ** ((-2 * i) / headSize));
}

/** Long wavelengths are divided by the factor, short ones kept, those between interpolated. */
function llama3Frequency(frequency: number, { scaling, contextLength }: Rope): number {
  const { factor = 8, low_freq_factor: low = 1, high_freq_factor: high = 4 } = scaling ?? {};
  const original = scaling?.original_max_position_embeddings ?? contextLength;
  const turns = (original * frequency) / (2 * Math.PI); // within the original context
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const smooth = (turns - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** YaRN (arXiv 2309.00071 §3): a ramp over dimensions between interpolation and the plain frequencies. */
function yarn(plain: readonly number[], { headSize, theta, contextLength, scaling }: Rope): Frequencies {
  const { beta_fast: fast = 32, beta_slow: slow = 1, mscale, mscale_all_dim: mscaleAll } = scaling ?? {};
  const original = scaling?.original_max_position_embeddings ?? contextLength;
  const factor = scaling?.factor ?? contextLength / original;
  const dimensionOf = (turns: number) =>
    (headSize * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const truncate = scaling?.truncate ?? true;
  const low = Math.max(truncate ? Math.floor(dimensionOf(fast)) : dimensionOf(fast), 0);
  const high = Math.min(truncate ? Math.ceil(dimensionOf(slow)) : dimensionOf(slow), headSize - 1);
  const width = high === low ? 0.001 : high - low;
  const frequencies = plain.map((frequency, i) => {
    const ramp = Math.min(Math.max((i - low) / width, 0), 1);
    return (frequency / factor) * ramp + frequency * (1 - ramp);
  });
  const magnitude = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const published = mscale && mscaleAll ? magnitude(mscale) / magnitude(mscaleAll) : magnitude(1);
  return { frequencies, attentionFactor: scaling?.attention_factor ?? published };
}
