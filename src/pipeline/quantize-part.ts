import path from "node:path";
import { LuthierError } from "../error.js";
import { openModelCheckpoint } from "../model/open-checkpoint.js";
import type { DequantizedCheckpoint } from "../schemes/stored/dequantized.js";
import { stateFiles } from "./input-files.js";
import { independentOf, type Part, partText, sequenceOf, shareOf } from "./part.js";
import {
  expectSameSource,
  type PartRecord,
  type PartSource,
  readPartRecords,
  writePartRecord,
} from "./part-records.js";
import type { Plan } from "./plan.js";
import { planCheckpoint } from "./plan-checkpoint.js";
import type { QuantizeOptions } from "./quantize.js";
import { quantizeLinears } from "./quantize-stage.js";
import { prepareForPart, readEarlierRecord } from "./run-directory.js";
import { withLock } from "./run-lock.js";
import { sourceOf } from "./statistics-stage.js";
import { transformCheckpoint } from "./transform-stage.js";
import { versionsOnRecord } from "./versions.js";

export interface QuantizePartOptions extends Omit<QuantizeOptions, "fresh"> {
  readonly part: Part;
}

export interface PartResult {
  readonly run: string;
  readonly part: Part;
  /** Names of the linears that this part has made, now or earlier. */
  readonly linears: readonly string[];
  /** How many all parts make together. */
  readonly independent: number;
  /** How many are left for `merge`, which makes them in sequence. */
  readonly inSequence: number;
}

/**
 * Makes one part's share of a run's linears, as one process would make them; other parts may run at the same time, on other
 * machines too. `mergeParts` makes the run of them.
 *
 * @throws LuthierError as `quantize`, and when no linear of the recipe can be made apart from others.
 */
export async function quantizePart(options: QuantizePartOptions): Promise<PartResult> {
  const { out, recipe, part } = options;
  const checkpoint = await openModelCheckpoint(options.model);
  try {
    const { plan } = await planCheckpoint(checkpoint, recipe.recipe);
    expectIndependent(plan, recipe.name);
    const linears = shareOf(plan, part).map(({ linear }) => linear.name);
    await withLock(out, () => makeShare(checkpoint, plan, linears, options), part);
    const independent = independentOf(plan).length;
    const quantized = plan.linears.filter(({ quantize }) => quantize !== null).length;
    return { run: out, part, linears, independent, inSequence: quantized - independent };
  } finally {
    await checkpoint.close();
  }
}

/** @throws LuthierError (usage) when no linear can be made in parts. */
function expectIndependent(plan: Plan, recipe: string): void {
  if (independentOf(plan).length > 0) return;
  const quantized = plan.linears.find(({ quantize }) => quantize !== null);
  const why = quantized
    ? `${quantized.linear.name} and all others are made by one process: ${sequenceOf(quantized, plan)}`
    : "it quantizes no linear";
  throw new LuthierError(
    `${recipe} cannot be run in parts: ${why}`,
    "leave out --part: one process runs the whole recipe (--dry-run says it of each linear)",
    { usage: true },
  );
}

async function makeShare(
  source: DequantizedCheckpoint,
  plan: Plan,
  linears: readonly string[],
  { out, model, recipe, part, kernels, onProgress = () => {} }: QuantizePartOptions,
): Promise<void> {
  const started = performance.now();
  await prepareForPart(out);
  const inputs = await stateFiles(source); // as they were opened: reading one that changes after that fails
  const now: PartSource = { versions: await versionsOnRecord(), inputs, recipe };
  const whole = await readEarlierRecord(out, async () => (await readPartRecords(out)).length > 0);
  expectSameSource(out, [...(whole ? [whole] : []), ...(await readPartRecords(out))], now);
  const record = (state: PartRecord["state"]): PartRecord => ({
    ...{ format: "luthier-part", version: 1, part, versions: now.versions },
    model: path.resolve(model),
    recipe: { name: recipe.name, file: path.resolve(recipe.file), resolved: recipe.recipe },
    inputs: [...inputs],
    linears: [...linears],
    seconds: (performance.now() - started) / 1000,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    state,
  });
  await writePartRecord(out, record("running"));
  const { seed } = recipe.recipe;
  // No statistics are measured here: transforms that want some are not made in parts.
  const nothing = sourceOf({ versions: now.versions, inputs: [] }, []);
  const given = { run: out, plan, windows: [], source: nothing, seed, kernels, onProgress };
  const { checkpoint } = await transformCheckpoint({ ...given, checkpoint: source });
  const share = plan.linears.filter(({ linear }) => linears.includes(linear.name));
  await quantizeLinears(out, checkpoint, share, kernels, (progress) =>
    onProgress({ ...progress, stage: `${progress.stage} ${partText(part)}` }),
  );
  await writePartRecord(out, record("done"));
}
