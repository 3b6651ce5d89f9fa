import path from "node:path";
import { readJsonObject } from "../checkpoint/json-file.js";
import type { TensorSource } from "../checkpoint/tensor-source.js";
import type { ModelDescription } from "../model/architecture.js";
import { describeModel } from "../model/model.js";
import { openKept, type QuantizedEntry, quantizedFolder } from "./quantized-files.js";

/** A run's model without its quantized weights. */
export interface DescribedRun {
  readonly config: Readonly<Record<string, unknown>>;
  readonly description: ModelDescription;
  /** The tensors that stayed float; to be closed. */
  readonly kept: TensorSource;
}

/** @throws LuthierError when the run's configuration and tensors make up no model that is known. */
export async function describeRun(run: string, linears: readonly QuantizedEntry[]): Promise<DescribedRun> {
  const config = await readJsonObject(path.join(quantizedFolder(run), "config.json"));
  const quantized = new Map(linears.map((entry) => [`${entry.name}.weight`, entry.weight]));
  const kept = await openKept(run);
  try {
    const description = describeModel(config, (tensor) => {
      const weight = quantized.get(tensor);
      return kept.tensors.get(tensor)?.shape ?? (weight && [weight.rows, weight.columns]);
    });
    return { config, description, kept };
  } catch (error) {
    await kept.close();
    throw error;
  }
}
