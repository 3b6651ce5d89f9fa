import type { FuzzedParser } from "./parser.js";
import { checkpoint, storedCheckpoints } from "./parsers/checkpoint.js";
import { found } from "./parsers/found.js";
import { gguf } from "./parsers/gguf.js";
import { hub } from "./parsers/hub.js";
import { packs } from "./parsers/packs.js";
import { parquet } from "./parsers/parquet.js";
import { candidates, device, recipe } from "./parsers/recipes.js";
import { answers, records, schemes } from "./parsers/runs.js";
import { safetensors } from "./parsers/safetensors.js";
import { searches } from "./parsers/searches.js";
import { statistics } from "./parsers/statistics.js";
import { storedTensors } from "./parsers/stored.js";
import { tables } from "./parsers/tables.js";
import { tokenizer } from "./parsers/tokenizer.js";

/** Everything that reads files of strangers. */
export const parsers: readonly FuzzedParser[] = [
  safetensors,
  gguf,
  checkpoint,
  ...storedCheckpoints,
  ...storedTensors,
  tokenizer,
  recipe,
  device,
  candidates,
  parquet,
  tables,
  records,
  statistics,
  schemes,
  answers,
  found,
  searches,
  hub,
  ...packs,
];
