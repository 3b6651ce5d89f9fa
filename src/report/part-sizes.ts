import type { DescribedRun } from "../pipeline/describe-run.js";
import { type ModelPart, modelParts, partOf } from "./linear-place.js";

/** What a part of the model takes in a run: quantized linears as stored, all else as it is kept. */
export interface PartSize {
  readonly part: ModelPart;
  readonly weights: number;
  readonly bytes: number;
}

/** A quantized linear's size. */
export interface StoredLinear {
  readonly name: string;
  /** `[N, K]`. */
  readonly shape: readonly [number, number];
  readonly bytes: number;
}

/** Parts without weights are left out; a head that is the embedding's tensor counts there. */
export function partSizes(
  { description, kept }: DescribedRun,
  quantized: readonly StoredLinear[],
): readonly PartSize[] {
  const { embedding, head, readout } = description;
  const ofHead = new Set([
    ...(head ? [head.tensor, head.bias] : []),
    ...(readout?.layers ?? []).flatMap(({ weight, bias }) => [weight, bias]),
  ]);
  const partBy = (tensor: string): ModelPart => {
    if (tensor === embedding) return "embedding";
    return ofHead.has(tensor) ? "head" : partOf(tensor);
  };
  const sizes = new Map<ModelPart, PartSize>();
  const add = (part: ModelPart, weights: number, bytes: number) => {
    const sum = sizes.get(part) ?? { part, weights: 0, bytes: 0 };
    sizes.set(part, { part, weights: sum.weights + weights, bytes: sum.bytes + bytes });
  };
  for (const { name, shape, bytes } of quantized)
    add(name === head?.name ? "head" : partBy(`${name}.weight`), shape[0] * shape[1], bytes);
  for (const [name, { shape, bytes }] of kept.tensors)
    add(
      partBy(name),
      shape.reduce((product, size) => product * size, 1),
      bytes,
    );
  return modelParts.flatMap((part) => sizes.get(part) ?? []);
}
