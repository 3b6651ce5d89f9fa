import {
  addInput,
  type InputStatistics,
  type InputSums,
  noInputs,
  statisticsOf,
} from "../calibration/input-statistics.js";
import { LuthierError } from "../error.js";
import { expectFiniteInput } from "../quantizers/finite-inputs.js";
import { type ObservedModel, observeModel } from "./observe-model.js";
import { describeCheckpoint } from "./plan-checkpoint.js";
import type { OnProgress } from "./progress.js";
import type { RunRecord } from "./run-directory.js";
import {
  readInput,
  type StatisticsSource,
  type StoredInput,
  soundInputs,
  statisticsFolder,
  writeInput,
  writeInputs,
} from "./statistics-files.js";

export interface StatisticsOptions extends ObservedModel {
  readonly run: string;
  /** What the checkpoint and the windows come from. */
  readonly source: StatisticsSource;
  readonly onProgress: OnProgress;
}

/** What somebody needs to know. */
export interface WantedStatistics {
  /** Linears of the blocks, by name: of the inputs that they read. */
  readonly linears: readonly string[];
  /** Whether second moments `[K, K]` are asked for too. */
  readonly second: boolean;
}

/** Statistics in a run's folder, read when they are asked for. */
export interface Statistics {
  /** For each input the linears that read it, in the order in which they are computed. */
  readonly inputs: readonly (readonly string[])[];
  /** Of the input that a linear reads. @throws RangeError when nobody wanted them. */
  of(linear: string): Promise<InputStatistics>;
}

/**
 * Measures the inputs of some linears on the calibration text, as the float model computes them. What an earlier call, or
 * process, measured from the same is read instead; all else is measured in one pass through the model, with the sums of one
 * block in memory at a time.
 *
 * @throws LuthierError naming the linear and the channel where the model computes NaN or infinity.
 */
export async function measureInputs(
  options: StatisticsOptions,
  { linears, second }: WantedStatistics,
): Promise<Statistics> {
  const { run, source } = options;
  const folder = statisticsFolder(run, source);
  const found = await soundInputs(folder, source);
  const suffices = (input: StoredInput) => input.second || !second;
  const known = new Set(found.filter(suffices).flatMap((input) => input.linears));
  const missing = new Set(linears.filter((linear) => !known.has(linear)));
  const measured = missing.size > 0 ? await measure(options, folder, missing, second) : [];
  const anew = new Set(measured.map(({ file }) => file));
  const stored = inOrder([...found.filter(({ file }) => !anew.has(file)), ...measured], options);
  if (measured.length > 0) await writeInputs(folder, source, stored);
  const wanted = stored.filter((input) => input.linears.some((linear) => linears.includes(linear)));
  return {
    inputs: wanted.map((input) => input.linears),
    of(linear) {
      const input = wanted.find((each) => each.linears.includes(linear));
      if (input === undefined) throw new RangeError(`the input of ${linear} was not measured`);
      return readInput(folder, input, second);
    },
  };
}

/** What made the statistics of a run. @param transforms what its checkpoint was changed by before they are measured. */
export function sourceOf(
  { versions, inputs, calibration }: Pick<RunRecord, "versions" | "inputs" | "calibration">,
  transforms: StatisticsSource["transforms"],
): StatisticsSource {
  const { luthier, "onnxruntime-node": onnxruntime } = versions;
  return {
    versions: { luthier, "onnxruntime-node": onnxruntime },
    model: Object.fromEntries(inputs.map((input) => [input.name, input.sha256])),
    text: calibration
      ? { sha256: calibration.sha256, windows: calibration.windows, length: calibration.length }
      : null,
    transforms,
  };
}

async function measure(
  options: StatisticsOptions,
  folder: string,
  missing: ReadonlySet<string>,
  second: boolean,
): Promise<readonly StoredInput[]> {
  const stored: StoredInput[] = [];
  const ofBlock = new Map<string, { readonly linears: readonly string[]; readonly sums: InputSums }>();
  const afterBlock = async (done: number, total: number) => {
    options.onProgress({ stage: "statistics", done, total, what: "" });
    for (const { linears, sums } of ofBlock.values()) {
      expectTokens(sums, linears);
      const statistics = statisticsOf(sums);
      const readers = linears.map((name) => ({ name }));
      expectFiniteInput(readers, statistics.meanSquare);
      stored.push(await writeInput(folder, linears, statistics));
    }
    ofBlock.clear();
  };
  await observeModel(options, afterBlock, {
    async observe(linears, input) {
      if (!linears.some((linear) => missing.has(linear))) return;
      const seen = ofBlock.get(linears[0]) ?? { linears, sums: noInputs(input.columns, second) };
      ofBlock.set(linears[0], seen);
      await addInput(input, seen.sums, options.kernels);
    },
  });
  return stored;
}

/** In the order in which the model computes them. */
function inOrder(inputs: readonly StoredInput[], { checkpoint }: StatisticsOptions): readonly StoredInput[] {
  const names = describeCheckpoint(checkpoint)
    .blocks.flat()
    .map(({ name }) => name);
  return inputs.toSorted((a, b) => names.indexOf(a.linears[0]) - names.indexOf(b.linears[0]));
}

/** An expert may have none. */
function expectTokens({ tokens }: InputSums, linears: readonly string[]): void {
  if (tokens > 0) return;
  throw new LuthierError(
    `no token of the calibration text reaches ${linears.join(", ")}`,
    "give more calibration text, or keep these linears float: add a rule for them with `keep: float` before the one that matches them",
  );
}
