import { readFile } from "node:fs/promises";
import { type Profiler, Session } from "node:inspector/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** What inputs reached of a file as it was compiled. */
export interface Coverage {
  readonly lines: number;
  readonly linesReached: number;
  /** Blocks as V8 counts them: functions, branches, what stands behind a `throw` or `return`. */
  readonly blocks: number;
  readonly blocksReached: number;
}

export interface CoverageWatch {
  /** @param files as `checkpoint/gguf`, under `dist/src`. */
  take(files: readonly string[]): Promise<ReadonlyMap<string, Coverage>>;
}

/** Counts from now on what runs. Files must be loaded after it, or their functions count as one block each. */
export async function watchCoverage(): Promise<CoverageWatch> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  return {
    async take(files) {
      const { result } = await session.post("Profiler.takePreciseCoverage");
      await session.post("Profiler.stopPreciseCoverage");
      session.disconnect();
      const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../src");
      const found = new Map<string, Coverage>();
      for (const file of files) {
        const full = path.join(root, `${file}.js`);
        const script = result.find(({ url }) => url.startsWith("file:") && fileURLToPath(url) === full);
        found.set(file, coverageOf(await readFile(full, "utf8"), script?.functions ?? []));
      }
      return found;
    },
  };
}

function coverageOf(text: string, functions: readonly Profiler.FunctionCoverage[]): Coverage {
  const ranges = functions.flatMap((each) => each.ranges);
  const reached = reachedCharacters(text.length, ranges);
  let [begin, lines, linesReached] = [0, 0, 0];
  for (const line of text.split("\n")) {
    const first = begin + line.search(/\S|$/);
    if (/[\w;]/.test(line) && !/^\s*(\/\/|\/?\*)/.test(line)) {
      lines++;
      linesReached += reached[first];
    }
    begin += line.length + 1;
  }
  const blocksReached = ranges.filter(({ count }) => count > 0).length;
  return { lines, linesReached, blocks: ranges.length, blocksReached };
}

/** Of nested ranges the innermost tells; the outer ones come first when the longest do. */
function reachedCharacters(length: number, ranges: readonly Profiler.CoverageRange[]): Uint8Array {
  const reached = new Uint8Array(length);
  const outerFirst = [...ranges].sort((a, b) => b.endOffset - b.startOffset - (a.endOffset - a.startOffset));
  for (const { startOffset, endOffset, count } of outerFirst)
    reached.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  return reached;
}
