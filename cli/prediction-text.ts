import { InvalidArgumentError } from "commander";
import type { Prediction } from "../src/pipeline/predict.js";
import { bytesText, secondsText } from "../src/report/text.js";

/** What a run would take, for people. */
export function predictionText(prediction: Prediction): string {
  const { memory, disk, tokens } = prediction;
  const { peakBytes, activationBytes } = memory;
  const ofText = `, ${bytesText(activationBytes)} of it for ${tokens} tokens of calibration text (\`--memory\` keeps less)`;
  return [
    `Memory: about ${bytesText(peakBytes)}${activationBytes > 0 ? ofText : ""}.`,
    `Disk: ${bytesText(disk.quantizedBytes)} of schemes and float tensors, about ${bytesText(disk.packBytes)} of packs.`,
    timeText(prediction),
  ].join("\n");
}

function timeText({ timeSeconds, timeUnknown, measuringSeconds }: Prediction): string {
  if (timeSeconds === null) return `Time: not predicted (${timeUnknown.join("; ")}).`;
  return `Time: about ${secondsText(timeSeconds)} without scoring (from ${secondsText(measuringSeconds)} of measuring on this machine).`;
}

const units: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** `8GiB`, `900MiB` or a number. @throws InvalidArgumentError for anything else. */
export function bytesOf(text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?) ?(KiB|MiB|GiB|)$/.exec(text) ?? [];
  const bytes = Math.floor(Number(count) * units[unit ?? ""]);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new InvalidArgumentError("it must be a size, as 8GiB, 900MiB or a number of bytes.");
}
