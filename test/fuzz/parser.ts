import type { Chance } from "./chance.js";

/** A file that a stranger might have sent; of a folder, the one among its sound files that is changed. */
export interface Sample {
  /** Relative to the parser's folder; of parsers of bytes alone, what tells its seeds apart. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** Something that reads strangers' files, made ready to be given damaged ones. */
export interface FuzzedParser {
  readonly name: string;
  /** The files under `src` that read: what coverage is told of. */
  readonly covers: readonly string[];
  open(): Promise<OpenParser>;
}

export interface OpenParser {
  /** Sound files, made by our own writers where we have them. */
  readonly seeds: readonly Sample[];
  /** @param others samples to splice from. */
  mutate(sample: Sample, others: readonly Sample[], chance: Chance): Sample;
  /** Reads it as the product does, all of it. What it gives back is not looked at. */
  read(sample: Sample): Promise<unknown> | unknown;
  /** The folder that it may touch; null when it touches none. */
  readonly folder: string | null;
  close(): Promise<void>;
}
