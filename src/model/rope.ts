import { z } from "zod";
import { LuthierError } from "../error.js";

/*
 * Rotary position embedding (arXiv 2104.09864) and its published extensions to longer contexts, with the names and
 * formulas of transformers' `modeling_rope_utils`.
 */

const positive = z.number().positive().nullish();

/** `rope_scaling`, or the newer `rope_parameters`, of a config.json. */
export const ropeScaling = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: positive,
  factor: positive,
  original_max_position_embeddings: positive,
  low_freq_factor: positive,
  high_freq_factor: positive,
  beta_fast: positive,
  beta_slow: positive,
  attention_factor: positive,
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().nullish(),
  short_factor: z.array(z.number().positive()).nullish(),
  long_factor: z.array(z.number().positive()).nullish(),
  partial_rotary_factor: z.literal(1).nullish(),
});

type Scaling = z.infer<typeof ropeScaling>;

export interface Rope {
  /** Channels of each head that are rotated, its first ones. */
  readonly rotatedSize: number;
  readonly theta: number;
  readonly contextLength: number;
  readonly scaling: Scaling | null;
}

/** Cosines and sines `[length, rotatedSize / 2]` for positions 0 … length − 1. */
export interface RotaryTables {
  readonly cosine: Float32Array;
  readonly sine: Float32Array;
}

export function rotaryTables(rope: Rope, length: number): RotaryTables {
  const { frequencies, attentionFactor } = frequenciesOf(rope, length);
  const half = rope.rotatedSize / 2;
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

/** What each kind of scaling cannot do without. */
const kinds = {
  default: [],
  linear: ["factor"],
  dynamic: ["factor"],
  llama3: ["factor", "low_freq_factor", "high_freq_factor"],
  yarn: [],
  longrope: ["short_factor", "long_factor"],
} as const satisfies Record<string, readonly (keyof Scaling)[]>;

type Kind = keyof typeof kinds;

/**
 * @param longrope whether the family may ask for LongRoPE, which computes short and long windows by other factors.
 * @throws LuthierError for a kind of scaling that is not known, lacks a parameter or differs between layers.
 */
export function checkRope(rope: Rope, { longrope = false } = {}): void {
  const scaling = rope.scaling ?? {};
  const name = nameOf(rope);
  if (!isKind(name) || (name === "longrope" && !longrope)) {
    const known = Object.keys(kinds).filter((kind) => kind !== "longrope" || longrope);
    throw new LuthierError(
      `config.json asks for rope scaling '${name}'; known are ${known.join(", ")}`,
      "use a checkpoint without it, or remove rope_scaling if your contexts are no longer than the original ones",
    );
  }
  const missing = kinds[name].find((key) => !scaling[key]);
  if (missing !== undefined) {
    throw new LuthierError(
      `config.json asks for rope scaling '${name}' without its ${missing}`,
      `add ${missing} to rope_scaling as the model was trained with it`,
    );
  }
  const nested = Object.keys(scaling).find(
    (key) => typeof scaling[key] === "object" && scaling[key] !== null && !Array.isArray(scaling[key]),
  );
  if (nested !== undefined) {
    throw new LuthierError(
      `config.json: rope_parameters.${nested} is an object: parameters by kind of layer are not known here`,
      "use a checkpoint whose layers all have the same rotary embedding",
    );
  }
  if (name === "longrope") checkFactors(rope);
}

/** LongRoPE divides the frequency of each pair of channels by a factor of its own. */
function checkFactors({ rotatedSize, scaling }: Rope): void {
  for (const key of ["short_factor", "long_factor"] as const) {
    const found = scaling?.[key]?.length ?? 0;
    if (found === rotatedSize / 2) continue;
    throw new LuthierError(
      `config.json: rope_scaling.${key} has ${found} factors for ${rotatedSize / 2} pairs of rotated channels`,
      "check that config.json belongs to these weights",
    );
  }
}

export function nameOf({ scaling }: Rope): string {
  return scaling?.rope_type ?? scaling?.type ?? "default";
}

function isKind(name: string): name is Kind {
  return Object.hasOwn(kinds, name);
}

interface Frequencies {
  /** Radians a position, `[rotatedSize / 2]`. */
  readonly frequencies: readonly number[];
  /** On cosines and sines, so on q·k twice. */
  readonly attentionFactor: number;
}

export function frequenciesOf(rope: Rope, length: number): Frequencies {
  const { rotatedSize, theta, contextLength, scaling } = rope;
  const plain = inverseFrequencies(theta, rotatedSize);
  const factor = scaling?.factor ?? 1;
  switch (nameOf(rope) as Kind) {
    case "default":
      return { frequencies: plain, attentionFactor: 1 };
    case "linear":
      return { frequencies: plain.map((frequency) => frequency / factor), attentionFactor: 1 };
    case "dynamic": {
      const stretched = Math.max(length, contextLength);
      const growth = (factor * stretched) / contextLength - (factor - 1);
      return {
        frequencies: inverseFrequencies(theta * growth ** (rotatedSize / (rotatedSize - 2)), rotatedSize),
        attentionFactor: 1,
      };
    }
    case "llama3":
      return { frequencies: plain.map((frequency) => llama3Frequency(frequency, rope)), attentionFactor: 1 };
    case "yarn":
      return yarn(plain, rope);
    case "longrope":
      return longrope(plain, rope, length);
  }
}

function inverseFrequencies(theta: number, rotatedSize: number): readonly number[] {
  return Array.from({ length: rotatedSize / 2 }, (_, i) => theta ** ((-2 * i) / rotatedSize));
}

/** Long wavelengths are divided by the factor, short ones kept, those between interpolated. */
function llama3Frequency(frequency: number, { scaling, contextLength }: Rope): number {
  const [factor, low, high] = [
    scaling?.factor ?? 1,
    scaling?.low_freq_factor ?? 1,
    scaling?.high_freq_factor ?? 1,
  ];
  const original = scaling?.original_max_position_embeddings ?? contextLength;
  const turns = (original * frequency) / (2 * Math.PI); // within the original context
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const smooth = (turns - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** YaRN (arXiv 2309.00071 §3): a ramp over dimensions between interpolation and the plain frequencies. */
function yarn(plain: readonly number[], { rotatedSize, theta, contextLength, scaling }: Rope): Frequencies {
  const [fast, slow] = [scaling?.beta_fast ?? 32, scaling?.beta_slow ?? 1];
  const { mscale, mscale_all_dim: mscaleAll } = scaling ?? {};
  const original = scaling?.original_max_position_embeddings ?? contextLength;
  const factor = scaling?.factor ?? contextLength / original;
  const dimensionOf = (turns: number) =>
    (rotatedSize * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const truncate = scaling?.truncate ?? true;
  const low = Math.max(truncate ? Math.floor(dimensionOf(fast)) : dimensionOf(fast), 0);
  const high = Math.min(truncate ? Math.ceil(dimensionOf(slow)) : dimensionOf(slow), rotatedSize - 1);
  const width = high === low ? 0.001 : high - low;
  const frequencies = plain.map((frequency, i) => {
    const ramp = Math.min(Math.max((i - low) / width, 0), 1);
    return (frequency / factor) * ramp + frequency * (1 - ramp);
  });
  const magnitude = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const published = mscale && mscaleAll ? magnitude(mscale) / magnitude(mscaleAll) : magnitude(1);
  return { frequencies, attentionFactor: scaling?.attention_factor ?? published };
}

/**
 * LongRoPE (arXiv 2402.13753): factors that were searched for, some within the original context and others beyond it. The
 * contexts say how far it was extended; `factor` only where the original one is not known.
 */
function longrope(plain: readonly number[], { contextLength, scaling }: Rope, length: number): Frequencies {
  const original = scaling?.original_max_position_embeddings ?? contextLength;
  const extension = scaling?.original_max_position_embeddings
    ? contextLength / original
    : (scaling?.factor ?? 1);
  const factors = (length > original ? scaling?.long_factor : scaling?.short_factor) ?? [];
  const published = extension <= 1 ? 1 : Math.sqrt(1 + Math.log(extension) / Math.log(original));
  return {
    frequencies: plain.map((frequency, i) => frequency / factors[i]),
    attentionFactor: scaling?.attention_factor ?? published,
  };
}
