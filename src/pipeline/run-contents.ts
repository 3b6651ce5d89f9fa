import { lstat, readdir } from "node:fs/promises";
import path from "node:path";
import { fileError, isMissing } from "../checkpoint/file-error.js";
import { LuthierError } from "../error.js";

/** What a run writes into its folder, and `--fresh` deletes: last what says whose the rest is. */
export const runContents: readonly string[] = [
  ...["quantized", "statistics", "packs", "answers", "reports", "parts"],
  ...["origin.json", "run.json"],
];

/** Folders of a search. */
const searchContents = ["sensitivities", "compared"];

/**
 * Whoever writes a folder calls this first: a link in a stranger's run would lead what is written to another place. Files of
 * other names are nobody's business, and the folder itself may be a link, for its user has named it.
 * @throws LuthierError when a part of a run or a search is a link, or holds one.
 */
export async function expectNoLinks(folder: string): Promise<void> {
  for (const name of [...runContents, ...searchContents]) {
    const link = await linkIn(path.join(folder, name));
    if (link === null) continue;
    throw new LuthierError(
      `${link} is a link: what is written there would leave ${folder}`,
      "put the folder or file itself in its place, or choose another folder with --out",
      { usage: true },
    );
  }
}

/** A link that a file or folder is, or that lies within; null when there is none. */
async function linkIn(place: string): Promise<string | null> {
  try {
    const found = await lstat(place);
    if (found.isSymbolicLink()) return place;
    return found.isDirectory() ? await linkWithin(place) : null;
  } catch (error) {
    if (isMissing(error)) return null; // also where another part of the run has just removed it
    throw fileError("read", place, error);
  }
}

async function linkWithin(folder: string): Promise<string | null> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const place = path.join(folder, entry.name);
    if (entry.isSymbolicLink()) return place;
    const link = entry.isDirectory() ? await linkIn(place) : null;
    if (link !== null) return link;
  }
  return null;
}
