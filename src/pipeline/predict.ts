import type { Kernels } from "../kernels/kernels.js";
import { openModelCheckpoint } from "../model/open-checkpoint.js";
import { openOps } from "../model/ops.js";
import type { LoadedRecipe } from "../recipe/shipped.js";
import { storedBytes } from "../schemes/weights.js";
import { needsCalibration } from "./calibration-needs.js";
import { lengthOf, samplesOf } from "./calibration-text.js";
import { targetOf } from "./choices.js";
import type { Plan } from "./plan.js";
import { planCheckpoint } from "./plan-checkpoint.js";
import { type MemoryPrediction, type PredictedModel, predictMemory } from "./predict-memory.js";
import { predictTime, type TimePrediction } from "./predict-time.js";

/** What a run will take, before any of it is done. */
export interface Prediction extends TimePrediction {
  readonly memory: MemoryPrediction;
  readonly disk: DiskPrediction;
  /** Of the calibration text, if it is as long as the recipe asks for; 0 without one. */
  readonly tokens: number;
}

/** What the run's folder will hold, in bytes. */
export interface DiskPrediction {
  /** Schemes, and the tensors that stay float. */
  readonly quantizedBytes: number;
  /** All packs: schemes as large as they are stored, and the float tensors again where a format keeps whole models. */
  readonly packBytes: number;
}

/**
 * The plan of a recipe, and what it takes. For its time some of the work is done on slices, for about two seconds.
 * @throws LuthierError when the recipe does not fit the model.
 */
export async function predictRun(
  model: string,
  { recipe }: LoadedRecipe,
  kernels: Kernels,
): Promise<Plan & { readonly prediction: Prediction }> {
  const checkpoint = await openModelCheckpoint(model);
  try {
    const { plan, description } = await planCheckpoint(checkpoint, recipe);
    const { calibration, seed } = recipe;
    const read = needsCalibration(plan) && calibration ? calibration : null;
    const windowLength = read ? lengthOf(read, description) : 0;
    const tokens = read ? samplesOf(read, windowLength) * windowLength : 0;
    const predicted = { plan, description, tensors: checkpoint.tensors, tokens, windowLength };
    const disk = predictDisk(predicted);
    const ops = openOps({ threads: kernels.threads });
    try {
      const timed = { ...predicted, disk, checkpoint, seed, kernels, ops };
      const prediction = { memory: predictMemory(predicted), disk, tokens, ...(await predictTime(timed)) };
      return { ...plan, prediction };
    } finally {
      await ops.close();
    }
  } finally {
    await checkpoint.close();
  }
}

function predictDisk({ plan, description, tensors }: PredictedModel): DiskPrediction {
  const schemes = plan.linears.reduce(
    (sum, { quantize }) => sum + (quantize ? storedBytes(quantize.weight) : 0),
    0,
  );
  const keptLinears = plan.linears.flatMap(({ linear, quantize }) => (quantize ? [] : linear.tensor));
  const kept = [...new Set([...description.floatTensors, ...keptLinears])].reduce(
    (sum, name) => sum + (tensors.get(name)?.bytes ?? 0),
    0,
  );
  const packBytes = plan.targets.reduce(
    (sum, choice) => sum + schemes + (targetOf(choice).target.container ? kept : 0),
    0,
  );
  return { quantizedBytes: schemes + kept, packBytes };
}
