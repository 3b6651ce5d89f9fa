import path from "node:path";
import { writeAtomically } from "../checkpoint/atomic.js";
import { withLock } from "../pipeline/run-lock.js";
import type { SearchResult } from "../search/search.js";
import { frontierSvg } from "./frontier.js";
import { searchMarkdown } from "./search-markdown.js";

/** Writes `search.json`, `search.md` and `frontier.svg` beside the recipe. */
export async function writeSearch(result: SearchResult): Promise<void> {
  const folder = path.dirname(result.recipe);
  const write = (file: string, text: string) => writeAtomically(path.join(folder, file), [Buffer.from(text)]);
  await withLock(folder, async () => {
    await write("search.json", `${JSON.stringify(result, null, 2)}\n`);
    await write("search.md", searchMarkdown(result));
    await write("frontier.svg", frontierSvg(result));
  });
}
