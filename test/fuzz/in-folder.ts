import { writeFileSync } from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import path from "node:path";
import type { Chance } from "./chance.js";
import type { FuzzedParser, OpenParser, Sample } from "./parser.js";
import { scratch } from "./scratch.js";

/** Changes bytes of a sample's kind. @param other of another sample, to splice from. */
export type Mutate = (bytes: Uint8Array, other: Uint8Array, chance: Chance) => Uint8Array;

export interface FolderParser extends Pick<FuzzedParser, "name" | "covers"> {
  /** Puts sound files into the folder. @returns those that are to be changed. */
  fill(folder: string): Promise<readonly Sample[]>;
  /** How a file is changed, by its name. */
  mutation(file: string): Mutate;
  /** Reads from the folder, where one file is the sample. */
  read(folder: string, sample: Sample): Promise<unknown>;
}

/** A parser of files in a folder of its own: one file is changed, all others are sound. */
export function parserInFolder({ name, covers, fill, mutation, read }: FolderParser): FuzzedParser {
  return {
    name,
    covers,
    async open(): Promise<OpenParser> {
      const folder = await realpath(await mkdtemp(path.join(scratch, "luthier-fuzz-")));
      const seeds = await fill(folder);
      const soundOf = new Map(seeds.map(({ file, bytes }) => [file, bytes]));
      return {
        seeds,
        folder,
        mutate: ({ file, bytes }, others, chance) => ({
          file,
          bytes: mutation(file)(bytes, chance.oneOf(others).bytes, chance),
        }),
        async read(sample) {
          const full = path.join(folder, sample.file);
          writeFileSync(full, sample.bytes);
          try {
            return await read(folder, sample);
          } finally {
            writeFileSync(full, soundOf.get(sample.file) ?? "");
          }
        },
        close: () => rm(folder, { recursive: true, force: true }),
      };
    },
  };
}
