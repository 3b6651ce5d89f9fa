import { LuthierError } from "../error.js";
import { openSpill, type Spill } from "../model/spill.js";
import { type PredictedModel, predictMemory } from "./predict-memory.js";

/** What was read from files and waits to be collected, at most: measured (docs/memory.md). */
const lateReads = 128 * 2 ** 20;

/**
 * What keeps activations in memory as far as a limit for the whole process leaves room, and in files of the run's folder beyond.
 *
 * @throws LuthierError when the limit cannot be kept with all activations in files: what a block and its quantizer take stays
 *   in memory; and of a model with experts also what waits inside a block.
 */
export function spillWithin(limitBytes: number, model: PredictedModel): (folder: string) => Spill {
  const { stages } = predictMemory(model);
  for (const { stage, fixedBytes, activationBytes } of stages) {
    const cannotSpill = stage === "fit" && model.plan.linears.some(({ linear }) => linear.isRouted);
    if (fixedBytes + activationBytes <= limitBytes) continue;
    const least = fixedBytes + (cannotSpill ? activationBytes : lateReads);
    if (least <= limitBytes) continue;
    const what = cannotSpill ? ", with the tokens that wait inside its blocks of experts" : "";
    throw new LuthierError(
      `--memory ${mebibytes(limitBytes)} MiB is less than the ${mebibytes(least)} MiB that the stage '${stage}' takes${what}`,
      `allow ${mebibytes(least)} MiB or more, or choose a method that works with less (\`--dry-run\` says what one takes)`,
      { usage: true },
    );
  }
  const room = Math.min(
    ...stages.map(({ fixedBytes, activationBytes }) => {
      const left = limitBytes - fixedBytes;
      return activationBytes <= left ? left : left - lateReads;
    }),
  );
  return (folder) => openSpill(folder, room);
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}
