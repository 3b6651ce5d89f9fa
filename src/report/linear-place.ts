/* Where a linear stands in its model, by its name alone: so it is told of runs of every family. */

/** The parts that sizes are summed up by. */
export const modelParts = ["embedding", "head", "attention", "feed-forward", "norms", "other"] as const;

export type ModelPart = (typeof modelParts)[number];

export interface LinearPlace {
  /** Null of a linear outside of blocks, such as the head. */
  readonly block: number | null;
  /** What the linears of one kind in all blocks have in common: `self_attn.q_proj`, `mlp.experts.*.up_proj`. */
  readonly kind: string;
}

/** `model.layers.3.self_attn.q_proj` is `self_attn.q_proj` of block 3; a number after the block's is that of an expert. */
export function linearPlace(name: string): LinearPlace {
  const segments = name.split(".");
  const at = segments.findIndex(isNumber);
  if (at < 0) return { block: null, kind: name };
  const rest = segments.slice(at + 1).map((segment) => (isNumber(segment) ? "*" : segment));
  return { block: Number(segments[at]), kind: rest.join(".") };
}

/** For each kind the last of its segments, as many as tell it from all others: `q_proj`. */
export function shortNames(kinds: readonly string[]): ReadonlyMap<string, string> {
  const ending = (kind: string, count: number) => kind.split(".").slice(-count).join(".");
  return new Map(
    kinds.map((kind) => {
      const others = kinds.filter((other) => other !== kind);
      let count = 1;
      while (
        ending(kind, count) !== kind &&
        others.some((other) => ending(other, count) === ending(kind, count))
      )
        count++;
      return [kind, ending(kind, count)];
    }),
  );
}

/** The part that a tensor belongs to; embedding and head are told by name in a model's description. */
export function partOf(tensor: string): Exclude<ModelPart, "head"> {
  if (/norm|(^|\.)ln_?\w*\./i.test(tensor)) return "norms";
  if (/embed|(^|\.)wte\.|(^|\.)wpe\./i.test(tensor)) return "embedding";
  if (linearPlace(tensor).block === null) return "other";
  return /attn|attention/i.test(tensor) ? "attention" : "feed-forward";
}

function isNumber(segment: string): boolean {
  return /^\d+$/.test(segment);
}
