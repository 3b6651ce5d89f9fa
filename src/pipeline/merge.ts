import { access } from "node:fs/promises";
import path from "node:path";
import { LuthierError } from "../error.js";
import { openModelCheckpoint } from "../model/open-checkpoint.js";
import type { LoadedRecipe } from "../recipe/shipped.js";
import { shareOf } from "./part.js";
import { type PartRecord, readPartRecords } from "./part-records.js";
import type { Plan } from "./plan.js";
import { planCheckpoint } from "./plan-checkpoint.js";
import { type QuantizeOptions, type QuantizeResult, quantize } from "./quantize.js";
import { quantizedFolder, schemeFile } from "./quantized-files.js";
import { readRunRecord } from "./run-directory.js";
import { withLock } from "./run-lock.js";

export interface MergeOptions extends Pick<QuantizeOptions, "kernels" | "onProgress"> {
  /** The folder into which parts were quantized. */
  readonly run: string;
}

export interface MergeResult extends QuantizeResult {
  /** The checkpoint's folder and the recipe, as the parts recorded them. */
  readonly model: string;
  readonly recipe: LoadedRecipe;
}

/**
 * Makes a run of its parts: all that one process does besides the linears that they have made (kept tensors, linears that
 * are made in sequence, index, packs), with the same bytes.
 *
 * @throws LuthierError when a part is under way, or has not made its linears; with the commands that do.
 */
export async function mergeParts({ run, ...options }: MergeOptions): Promise<MergeResult> {
  await expectParts(run); // a folder that is no run is refused before anything is put there
  return withLock(run, async () => {
    const [first] = await expectParts(run);
    const { name, file, resolved } = first.recipe;
    const recipe = { name, file, text: JSON.stringify(resolved), recipe: resolved };
    const { model } = first;
    await expectAllMade(run, first);
    return { ...(await quantize({ ...options, model, recipe, out: run })), model, recipe };
  });
}

/** @throws LuthierError when there are none. */
async function expectParts(run: string): Promise<readonly PartRecord[]> {
  const parts = await readPartRecords(run);
  if (parts.length > 0) return parts;
  const isDone = await readRunRecord(run).then(
    ({ state }) => state === "done",
    () => false,
  );
  throw new LuthierError(
    isDone ? `${run} is a whole run: there is nothing to merge` : `${run} holds no parts of a run`,
    isDone
      ? "use it as it is: `luthier verify` checks it"
      : "give the folder that `luthier quantize --part` wrote",
    { usage: true },
  );
}

async function expectAllMade(run: string, part: PartRecord): Promise<void> {
  const checkpoint = await openModelCheckpoint(part.model);
  try {
    const { plan } = await planCheckpoint(checkpoint, part.recipe.resolved);
    const missing = await missingParts(run, plan, part.part.count);
    if (missing.size > 0) throw unfinished(run, part, missing);
  } finally {
    await checkpoint.close();
  }
}

/** The linears without a file, by the part whose turn they are. A file is there whole or not at all. */
async function missingParts(
  run: string,
  plan: Plan,
  count: number,
): Promise<ReadonlyMap<number, readonly string[]>> {
  const missing = new Map<number, readonly string[]>();
  for (let index = 1; index <= count; index++) {
    const names: string[] = [];
    for (const { linear } of shareOf(plan, { index, count })) {
      const file = path.join(quantizedFolder(run), schemeFile(linear.name));
      await access(file).catch(() => names.push(linear.name));
    }
    if (names.length > 0) missing.set(index, names);
  }
  return missing;
}

/** Names and commands beyond these are only counted. */
const mostNamed = 8;

function unfinished(
  run: string,
  { part: { count }, model, recipe }: PartRecord,
  missing: ReadonlyMap<number, readonly string[]>,
): LuthierError {
  const some = (texts: readonly string[], separator: string) =>
    [
      ...texts.slice(0, mostNamed),
      ...(texts.length > mostNamed ? [`${texts.length - mostNamed} more`] : []),
    ].join(separator);
  const names = [...missing.values()].flat();
  const commands = [...missing.keys()].map(
    (index) => `luthier quantize ${model} --recipe ${recipe.name} --out ${run} --part ${index}/${count}`,
  );
  return new LuthierError(
    `${run} lacks ${names.length} linears of ${missing.size} ${missing.size === 1 ? "part" : "parts"}: ${some(names, ", ")}`,
    `run what is missing, then merge again:\n  ${some(commands, "\n  ")}`,
  );
}
