import type { TensorSource } from "../checkpoint/tensor-source.js";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import { linearsOf, type ModelDescription } from "../model/architecture.js";
import type { PackedLinearUnit } from "../model/executors/packed.js";
import type { Ops } from "../model/ops.js";
import { represent } from "../schemes/represent.js";
import { findTarget } from "../targets/registry.js";
import { damagedPack, type Target } from "../targets/target.js";
import type { Matrix } from "../tensor/matrix.js";
import { openPack, packedTargets, packFolder, readManifest } from "./pack-files.js";
import { biasOf, type QuantizedEntry } from "./quantized-files.js";

/** The linears of a pack, as the engine computes them. */
export interface PackedUnits {
  readonly target: string;
  unit(linear: string): Promise<PackedLinearUnit | null>;
  /** What the target computes between the linears in its own way. */
  readonly glue: ReturnType<NonNullable<Target["glue"]>>;
  close(): Promise<void>;
}

/** @throws LuthierError when the run has no such pack, or it is damaged. */
export async function openUnits(
  run: string,
  wanted: string | undefined,
  source: TensorSource,
  description: ModelDescription,
  quantized: ReadonlyMap<string, QuantizedEntry>,
  ops: Ops,
  kernels: Kernels,
): Promise<PackedUnits> {
  const name = wanted ?? (await onlyTarget(run));
  const target = findTarget(name);
  const folder = packFolder(run, name);
  const manifest = await readManifest(folder);
  const parameters = target.parameters.safeParse(manifest.parameters);
  if (!parameters.success) throw damagedPack(`its parameters are none of ${name}'s`);
  const entries = new Map(manifest.linears.map((entry) => [entry.name, entry]));
  const linears = new Map(linearsOf(description).map((linear) => [linear.name, linear]));
  const pack = await openPack(folder, target);
  return {
    target: name,
    glue: target.glue?.(parameters.data) ?? null,
    async unit(linearName) {
      const [entry, linear] = [entries.get(linearName), linears.get(linearName)];
      if (entry === undefined || linear === undefined) return null;
      const arithmetic = target.open(await pack.read(entry), kernels);
      const bias = await biasOf(linear, source, kernels, run, quantized);
      if ("multiply" in arithmetic) return { rows: linear.rows, multiply: arithmetic.multiply, bias };
      const multiply = async (input: Matrix) =>
        ops.linear(await represent(input, entry.activation, null, kernels), arithmetic.weight, null);
      return { rows: linear.rows, multiply, bias };
    },
    close: pack.close,
  };
}

async function onlyTarget(run: string): Promise<string> {
  const targets = await packedTargets(run);
  if (targets.length === 1) return targets[0];
  if (targets.length === 0) {
    throw new LuthierError(`${run} has no pack`, "make one with `luthier pack <run> --target <name>`", {
      usage: true,
    });
  }
  throw new LuthierError(`${run} has packs for ${targets.join(", ")}`, "say which with --target", {
    usage: true,
  });
}
