import { readMatrix } from "../checkpoint/tensors.js";
import type { ChosenRows, LinearToChooseFrom } from "../quantizers/calibrated-quantizer.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { calibratedQuantizerOf } from "./choices.js";
import { byChoice } from "./fit-linears.js";
import type { PlannedLinear } from "./plan.js";
import { measureInputs, type StatisticsOptions } from "./statistics-stage.js";

export interface ChooseOptions extends StatisticsOptions {
  readonly checkpoint: DequantizedCheckpoint;
  readonly planned: readonly PlannedLinear[];
}

/**
 * Lets the linears of each rule whose method shares something out over them choose their rows, by the statistics of their
 * inputs in the float model. One linear is in memory at a time. Empty where no method does so.
 */
export async function chooseRows(options: ChooseOptions): Promise<ChosenRows> {
  const { checkpoint, planned, kernels } = options;
  const rows = new Map<string, Uint32Array>();
  for (const together of byChoice(planned)) {
    const choice = calibratedQuantizerOf(together[0].quantize.choice);
    if (choice?.quantizer.chooseRows === undefined) continue;
    const names = together.map(({ linear }) => linear.name);
    const statistics = await measureInputs(options, { linears: names, second: true });
    async function* linears(): AsyncGenerator<LinearToChooseFrom> {
      for (const { linear } of together) {
        const { second } = await statistics.of(linear.name);
        if (second === null) throw new RangeError(`no second moments of the input of ${linear.name}`);
        yield { ...linear, weight: await readMatrix(checkpoint, linear.tensor, kernels), second };
      }
    }
    const chosen = await choice.quantizer.chooseRows(linears(), choice.options, kernels);
    for (const [name, each] of chosen) rows.set(name, each);
  }
  return rows;
}
