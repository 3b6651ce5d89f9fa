import path from "node:path";
import { type NamedTensor, writeSafetensorsInOrder } from "../checkpoint/safetensors.js";
import { dtypeBytes } from "../tensor/dtype.js";

/** Bytes of tensors in one file, the default of transformers' `save_pretrained` of old: 5 GB. */
const shardBytes = 5e9;

/** Tensors that must lie in one file. */
export type Unit = readonly NamedTensor[];

/** A file of a checkpoint and the tensors in it. */
export interface WrittenShard {
  readonly file: string;
  readonly tensors: readonly NamedTensor[];
}

/** Writes tensors in their order as `model.safetensors`, or as numbered shards when they are more than one file holds. */
export async function writeShards(folder: string, units: readonly Unit[]): Promise<readonly WrittenShard[]> {
  const shards = splitIntoShards(units, shardBytes);
  const written: WrittenShard[] = [];
  for (const [index, tensors] of shards.entries()) {
    const file = shardName(index, shards.length);
    await writeSafetensorsInOrder(path.join(folder, file), tensors, { format: "pt" }); // transformers asks for the key
    written.push({ file, tensors });
  }
  return written;
}

/** The content of `model.safetensors.index.json`. */
export function shardIndex(shards: readonly WrittenShard[]): object {
  const places = shards.flatMap(({ file, tensors }) => tensors.map(({ name }) => [name, file] as const));
  const bytes = shards.flatMap(({ tensors }) => tensors).reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  return { metadata: { total_size: bytes }, weight_map: Object.fromEntries(places) };
}

/** As many units a shard as fit; one that is larger than a shard has one of its own. */
export function splitIntoShards(units: readonly Unit[], limit: number): readonly NamedTensor[][] {
  const shards: NamedTensor[][] = [[]];
  let held = 0;
  for (const unit of units) {
    const bytes = unit.reduce((sum, tensor) => sum + bytesOf(tensor), 0);
    if (held > 0 && held + bytes > limit) {
      shards.push([]);
      held = 0;
    }
    shards[shards.length - 1].push(...unit);
    held += bytes;
  }
  return shards;
}

export function bytesOf({ dtype, shape }: Pick<NamedTensor, "dtype" | "shape">): number {
  return shape.reduce((product, length) => product * length, dtypeBytes[dtype]);
}

function shardName(index: number, count: number): string {
  if (count === 1) return "model.safetensors";
  const digits = (value: number) => String(value).padStart(5, "0");
  return `model-${digits(index + 1)}-of-${digits(count)}.safetensors`;
}
