import { LuthierError } from "../../src/error.js";
import { type Chance, chanceOf } from "./chance.js";
import type { OpenParser, Sample } from "./parser.js";
import { watchFiles } from "./watched-files.js";

export interface FuzzOptions {
  readonly seed: number;
  /** Stops after so many inputs. */
  readonly inputs: number;
  /** Or after so long, which no run that is to be repeated gives. */
  readonly seconds?: number;
  /** Told of each input before it is read. */
  onSample?(sample: Sample): void;
}

export interface Findings {
  readonly inputs: number;
  /** Inputs that were read; all others were refused, or are faults. */
  readonly values: number;
  /** Refusals that differ in more than names and numbers. */
  readonly outcomes: number;
  readonly slowestMs: number;
  readonly faults: readonly Fault[];
}

export interface Fault {
  readonly sample: Sample;
  /** What happened where a value or a LuthierError was to be. */
  readonly what: string;
}

/** What reading one input may take: files are small, and reading them is no work. */
const limitMs = 10_000;
const limitBytes = 2 ** 28;

/**
 * Gives a parser its seeds and then what is made of them. Samples that end in a way that was not seen before are kept and
 * changed further, so that damage adds up where it is let through.
 */
export async function fuzz(parser: OpenParser, options: FuzzOptions): Promise<Findings> {
  const { seed, inputs, seconds = Number.POSITIVE_INFINITY, onSample } = options;
  const chance = chanceOf(seed);
  const kept: Sample[] = [...parser.seeds];
  const outcomes = new Set<string>();
  const faults = new Map<string, Fault>();
  const watch = parser.folder === null ? null : watchFiles(parser.folder);
  const end = performance.now() + seconds * 1000;
  let [done, values, slowestMs] = [0, 0, 0];
  try {
    for (; done < inputs && performance.now() < end; done++) {
      const sample = done < parser.seeds.length ? parser.seeds[done] : changed(parser, kept, chance);
      onSample?.(sample);
      const begun = performance.now();
      const memoryBytes = process.resourceUsage().maxRSS * 1024;
      const outcome = await outcomeOf(parser, sample);
      const tookMs = performance.now() - begun;
      const grewBytes = process.resourceUsage().maxRSS * 1024 - memoryBytes;
      slowestMs = Math.max(slowestMs, tookMs);
      if (outcome.kind === "value") values++;
      const wrong = [
        ...(outcome.kind === "fault" ? [outcome.what] : []),
        ...(tookMs > limitMs ? [`took ${Math.round(tookMs / 1000)} seconds`] : []),
        ...(grewBytes > limitBytes ? [`took ${Math.round(grewBytes / 2 ** 20)} MiB`] : []),
        ...(watch?.takeOutside() ?? []),
        ...(watch && watch.takeLeftOpen() > 0 ? ["leaves a file open"] : []),
      ];
      for (const what of wrong) if (!faults.has(form(what))) faults.set(form(what), { sample, what });
      const isNew = !outcomes.has(form(outcome.what));
      if (isNew && outcomes.size < 2000) {
        outcomes.add(form(outcome.what));
        if (outcome.kind !== "fault" && sample.bytes.length < 2 ** 18) kept.push(sample);
      }
    }
  } finally {
    watch?.stop();
  }
  return { inputs: done, values, outcomes: outcomes.size, slowestMs, faults: [...faults.values()] };
}

function changed(parser: OpenParser, kept: readonly Sample[], chance: Chance): Sample {
  // Of what was kept, half the time a sound one: what is damaged twice is mostly refused for the first.
  const from = chance.oncePer(2) ? chance.oneOf(parser.seeds) : chance.oneOf(kept);
  return parser.mutate(from, kept, chance);
}

interface Outcome {
  readonly kind: "value" | "refused" | "fault";
  readonly what: string;
}

async function outcomeOf(parser: OpenParser, sample: Sample): Promise<Outcome> {
  try {
    await parser.read(sample);
    return { kind: "value", what: "a value" };
  } catch (error) {
    if (error instanceof LuthierError && error.message !== "" && error.fix !== "")
      return { kind: "refused", what: error.message };
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { kind: "fault", what: what.split("\n").slice(0, 5).join("\n") };
  }
}

/** Without what differs from file to file. */
function form(what: string): string {
  return what
    .slice(0, 600)
    .replace(/"(?:[^"\\]|\\.)*"?/g, '"')
    .replace(/\d[\d.e+,-]*/g, "0")
    .replace(/(\/[^\s/:]+)+/g, "/")
    .slice(0, 160);
}
