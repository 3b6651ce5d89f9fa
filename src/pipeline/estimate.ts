import path from "node:path";
import { LuthierError } from "../error.js";
import type { ModelDescription } from "../model/architecture.js";
import { linearsOf } from "../model/architecture.js";
import { openModelCheckpoint } from "../model/open-checkpoint.js";
import { recipeSchema } from "../recipe/schema.js";
import type { LoadedRecipe } from "../recipe/shipped.js";
import type { Sharing } from "../targets/cost.js";
import type { Device } from "../targets/device.js";
import { targets } from "../targets/registry.js";
import { refusalOf, type Target } from "../targets/target.js";
import { dtypeBytes } from "../tensor/dtype.js";
import { targetOf } from "./choices.js";
import { describeRun } from "./describe-run.js";
import { type Estimate, type EstimatedLinear, estimateLinears } from "./estimate-linears.js";
import { isRun } from "./open-model.js";
import { packedTargets, packFolder, readManifest } from "./pack-files.js";
import { placeOf, sharingOf } from "./place.js";
import { describeCheckpoint, planCheckpoint } from "./plan-checkpoint.js";
import { readQuantizedIndex } from "./quantized-files.js";
import { readRunRecord } from "./run-directory.js";
import { targetChoice } from "./target-choice.js";

export interface EstimateOptions {
  /** A checkpoint's or a run's folder. */
  readonly path: string;
  readonly target: Target;
  readonly device: Device;
  /** Which rules quantize a checkpoint; the target's typical one by default, with the head left float. */
  readonly recipe?: LoadedRecipe;
  /** Layout parameters of the target that differ from the recipe's, the pack's or the defaults. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Tokens of the prompt. */
  readonly prefill: number;
  /** Tokens that are generated. */
  readonly decode: number;
}

/**
 * What a model's linears cost on a device: of a run the linears that it quantized, of a checkpoint those that a recipe
 * would. Nothing is quantized, and no weight is read.
 * @throws LuthierError when the target has no cost model, or the linears do not fit it, by name.
 */
export async function estimate(options: EstimateOptions): Promise<Estimate> {
  const { target, device, prefill, decode } = options;
  const { cost } = target;
  if (cost === undefined) {
    const known = targets.filter((each) => each.cost).map(({ name }) => name);
    throw new LuthierError(`there is no cost model for ${target.name}`, `choose one of ${known.join(", ")}`, {
      usage: true,
    });
  }
  const model = (await isRun(options.path)) ? await ofRun(options) : await ofCheckpoint(options);
  return estimateLinears({ ...model, target, cost, device, prefill, decode });
}

/** The linears of a model, in the order of computing, and how the target lays them out. */
interface Linears {
  readonly model: string;
  readonly rules: string;
  readonly parameters: object;
  readonly linears: readonly EstimatedLinear[];
}

async function ofCheckpoint(options: EstimateOptions): Promise<Linears> {
  const { target } = options;
  const checkpoint = await openModelCheckpoint(options.path);
  try {
    const { tensors } = checkpoint;
    const { head, ...described } = describeCheckpoint(checkpoint);
    refuseExperts(described);
    const rules = options.recipe?.recipe.rules ?? [
      ...(head ? [{ match: head.name, keep: "float" }] : []),
      { match: "*", ...target.typical },
    ];
    const transforms = options.recipe?.recipe.transforms ?? [];
    const ofRecipe = options.recipe?.recipe.targets.find((each) => each.target === target.name);
    const { target: _name, ...settings } = ofRecipe ?? {};
    const choice = targetChoice(target, { ...settings, ...options.parameters });
    const recipe = recipeSchema.parse({ version: 1, transforms, rules, targets: [choice] });
    const { description, plan } = await planCheckpoint(checkpoint, recipe, true);
    const shared = sharings(
      description,
      plan.linears.flatMap(({ linear, quantize }) => (quantize ? linear.name : [])),
    );
    const linears = plan.linears.map(({ linear, quantize }) => ({
      name: linear.name,
      rows: linear.rows,
      columns: linear.columns,
      quantized: quantize,
      sharing: shared.get(linear.name),
      floatBytes: tensors.get(linear.tensor)?.bytes ?? 0,
    }));
    const named = options.recipe?.name ?? `the typical rule of ${target.name}`;
    const { parameters } = targetOf(choice);
    return { model: path.basename(path.resolve(options.path)), rules: named, parameters, linears };
  } finally {
    await checkpoint.close();
  }
}

async function ofRun(options: EstimateOptions): Promise<Linears> {
  const { path: run, target } = options;
  if (options.recipe) {
    throw new LuthierError(
      `${run} is a run: its linears are quantized already`,
      "drop --recipe, or give the checkpoint instead",
      { usage: true },
    );
  }
  const record = await readRunRecord(run);
  const index = await readQuantizedIndex(run);
  const { description, kept } = await describeRun(run, index.linears);
  try {
    refuseExperts(description);
    const quantized = new Map(index.linears.map((entry) => [entry.name, entry]));
    const packed = (await packedTargets(run)).includes(target.name)
      ? (await readManifest(packFolder(run, target.name))).parameters
      : {};
    const { parameters } = targetOf(targetChoice(target, { ...packed, ...options.parameters }));
    const shared = sharings(description, [...quantized.keys()]);
    const linears = linearsOf(description).map((linear) => {
      const entry = quantized.get(linear.name) ?? null;
      const refused = entry && refusalOf(target, entry, parameters, placeOf(linear, description, null));
      if (refused) {
        throw new LuthierError(`${linear.name} does not fit ${target.name}: ${refused.reason}`, refused.fix, {
          usage: true,
        });
      }
      const info = kept.tensors.get(linear.tensor);
      const floatBytes = info ? linear.rows * linear.columns * dtypeBytes[info.dtype] : 0;
      const { name, rows, columns } = linear;
      return { name, rows, columns, quantized: entry, sharing: shared.get(name), floatBytes };
    });
    return { model: record.model, rules: record.recipe.name, parameters, linears };
  } finally {
    await kept.close();
  }
}

/** Cost models count every linear for every token. */
function refuseExperts({ blocks, modelType }: Pick<ModelDescription, "blocks" | "modelType">): void {
  if (!blocks.flat().some(({ isRouted }) => isRouted)) return;
  throw new LuthierError(
    `a ${modelType} computes some experts a token, and the cost models count every linear for every token`,
    "estimate a model without experts",
    { usage: true },
  );
}

/** By name, of the linears in blocks; the head shares nothing. */
function sharings({ blocks }: ModelDescription, quantized: readonly string[]): ReadonlyMap<string, Sharing> {
  const names = new Set(quantized);
  return new Map(
    blocks.flatMap((block) => {
      const linears = block.filter(({ name }) => names.has(name));
      return linears.map((linear): [string, Sharing] => [linear.name, sharingOf(linear, linears)]);
    }),
  );
}
