import path from "node:path";
import { LuthierError } from "../../src/error.js";
import { temporaryFolder } from "./folder.js";
import { type Behaviour, type HubFile, type HubServer, hubServer } from "./hub-server.js";
import { rawSafetensors } from "./raw-safetensors.js";

export const weightBytes = 300_000;
export const weights: HubFile = { path: "model.safetensors", content: shard("w"), lfs: true };
export const config = text("config.json", '{"model_type":"llama"}');
const tokenizer = text("tokenizer.json", "{}");
export const single = [config, tokenizer, weights];

export function text(name: string, content: string): HubFile {
  return { path: name, content: Buffer.from(content) };
}

export function shard(tensor: string): Buffer {
  const place = { dtype: "U8", shape: [weightBytes], data_offsets: [0, weightBytes] };
  return rawSafetensors(Buffer.from(JSON.stringify({ [tensor]: place })), weightBytes);
}

export interface Setting {
  readonly hub: HubServer;
  readonly environment: NodeJS.ProcessEnv;
  /** Takes no time and notes how much was asked for, in milliseconds. */
  readonly wait: (milliseconds: number) => Promise<void>;
  readonly waits: readonly number[];
  /** The repository's folder in the cache. */
  readonly folder: string;
}

export async function setting(files: readonly HubFile[], behaviour: Behaviour = {}): Promise<Setting> {
  const hub = await hubServer("models/org/name", files, behaviour);
  const cache = await temporaryFolder();
  const waits: number[] = [];
  return {
    hub,
    waits,
    wait: async (milliseconds) => void waits.push(milliseconds),
    environment: { HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: cache },
    folder: path.join(cache, "models--org--name"),
  };
}

export async function errorOf(work: Promise<unknown>): Promise<LuthierError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (error instanceof LuthierError) return error;
  throw new Error("no LuthierError was thrown", { cause: error });
}
