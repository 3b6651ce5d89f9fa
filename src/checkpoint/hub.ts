import { existsSync } from "node:fs";
import path from "node:path";
import { listFiles } from "@huggingface/hub";
import { LuthierError } from "../error.js";
import { companionFiles, configFile, isInnerPath, weightFileAmong, weightMapOf } from "./checkpoint-files.js";
import {
  blobPath,
  cachedCommit,
  isCommit,
  linkBlob,
  lockPath,
  parseRepositoryId,
  type RepositoryId,
  rememberCommit,
  repositoryFolder,
  snapshotFolder,
  snapshotPaths,
} from "./hub-cache.js";
import { connectionFrom, type HubConnection, isOffline } from "./hub-connection.js";
import { type DownloadProgress, downloadBlob, type RemoteFile } from "./hub-download.js";
import { type HubAnswer, request } from "./hub-request.js";
import { fetchTogether } from "./hub-together.js";
import { readJsonObject } from "./json-file.js";

export interface HubOptions {
  /**
   * Called at the start of each file, after each piece that arrives, and for files that are there already. Files that are
   * fetched together, as shards are, count as one, which is called by their number.
   */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /**
   * HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE, HF_HUB_DOWNLOAD_TIMEOUT, HF_HOME, HF_HUB_CACHE; those of the process unless
   * given.
   */
  readonly environment?: NodeJS.ProcessEnv;
  readonly fetch?: typeof globalThis.fetch;
  /** Lets time pass before what failed is tried again; the clock's unless given. */
  readonly wait?: (milliseconds: number) => Promise<void>;
}

/**
 * Downloads what a checkpoint needs and the cache lacks: configuration, tokenizer, and the weights in safetensors.
 * Offline (HF_HUB_OFFLINE) nothing is asked of the hub, and the cache must have it all.
 *
 * @param id `org/name` or `org/name@revision`.
 * @returns the snapshot's folder in the cache, for `openCheckpoint`.
 * @throws LuthierError when the hub refuses or cannot be reached, or the repository is no checkpoint in safetensors.
 */
export async function fetchCheckpoint(id: string, options: HubOptions = {}): Promise<string> {
  const repository = await openRepository(parseRepositoryId("model", id), options);
  const names = repository.paths.filter((name) => !name.includes("/"));
  if (!names.includes(configFile)) {
    throw new LuthierError(
      `${id} has no ${configFile}`,
      "Give the id of a model in the format of the transformers library.",
    );
  }
  const { file, isIndex } = weightFileAmong(names, id);
  for (const name of companionFiles.filter((name) => names.includes(name))) await repository.fetchAll([name]);
  const [weightFile] = await repository.fetchAll([file]);
  if (isIndex) {
    const shards = new Set(weightMapOf(await readJsonObject(weightFile), weightFile).values());
    await repository.fetchAll([...shards].sort());
  }
  await repository.remember();
  return repository.directory;
}

/**
 * Downloads chosen files of a data set. Offline, `choose` sees what the cache has.
 *
 * @param id `org/name` or `org/name@revision`.
 * @param choose picks from the paths of all files in the repository.
 * @returns absolute paths, in the order chosen.
 * @throws LuthierError when the hub refuses or cannot be reached, and whatever `choose` throws.
 */
export async function fetchDataset(
  id: string,
  choose: (paths: readonly string[]) => readonly string[],
  options: HubOptions = {},
): Promise<readonly string[]> {
  const repository = await openRepository(parseRepositoryId("dataset", id), options);
  const files = await repository.fetchAll(choose(repository.paths));
  await repository.remember();
  return files;
}

/** A repository at one commit, on the hub or in the cache alone. */
interface Repository {
  /** Its snapshot in the cache. */
  readonly directory: string;
  /** Of a model only those at the top. */
  readonly paths: readonly string[];
  /** Makes files of `paths` present; returns where they lie. */
  fetchAll(names: readonly string[]): Promise<readonly string[]>;
  /** Notes what the revision means now, so that it can be found offline. Comes last: what it names is complete. */
  remember(): Promise<void>;
}

function openRepository(id: RepositoryId, options: HubOptions): Promise<Repository> {
  const { environment = process.env, fetch, wait, onProgress = () => {} } = options;
  const folder = repositoryFolder(id, environment);
  if (isOffline(environment)) return cachedRepository(id, folder);
  return remoteRepository(id, folder, connectionFrom(environment, fetch, wait), onProgress);
}

async function cachedRepository(id: RepositoryId, folder: string): Promise<Repository> {
  const commit = await cachedCommit(folder, id.revision);
  const directory = snapshotFolder(folder, commit ?? "none");
  const paths = await snapshotPaths(directory);
  const missing = (what: string) =>
    new LuthierError(
      `HF_HUB_OFFLINE is set, and ${what} of the ${id.kind} ${id.name} is not in the cache ${folder}`,
      "Run once without HF_HUB_OFFLINE, or check HF_HOME and HF_HUB_CACHE.",
    );
  if (commit === null || paths.length === 0) throw missing(`revision ${id.revision}`);
  return {
    directory,
    paths,
    async fetchAll(names) {
      return names.map((name) => {
        const file = path.join(directory, name);
        if (!paths.includes(name) || !existsSync(file)) throw missing(name); // links may outlive what they lead to
        return file;
      });
    },
    async remember() {},
  };
}

async function remoteRepository(
  id: RepositoryId,
  folder: string,
  hub: HubConnection,
  onProgress: (progress: DownloadProgress) => void,
): Promise<Repository> {
  const commit = await commitOf(hub, id);
  const files = await filesOf(hub, id, commit);
  const directory = snapshotFolder(folder, commit);
  const fileNamed = (name: string): RemoteFile => {
    const file = files.get(name);
    if (file !== undefined) return file;
    throw new LuthierError(
      `the ${id.kind} ${id.name} names the file ${name} but does not hold it`,
      "Choose another revision, or tell the author.",
    );
  };
  return {
    directory,
    paths: [...files.keys()],
    async fetchAll(names) {
      const chosen = names.map((name) => fileNamed(name));
      return fetchTogether(chosen, hub, onProgress, async (at, one) => {
        const file = chosen[at];
        const blob = blobPath(folder, file.hash);
        const address = fileAddress(hub, id, commit, file.path);
        const sha256 = file.hashKind === "sha256" ? file.hash : undefined;
        await downloadBlob({
          file,
          blob,
          lock: lockPath(folder, file.hash),
          // Compressed answers have neither the listed size nor usable ranges.
          get: (range) => {
            const headers = { "accept-encoding": "identity", ...range };
            return request(one.hub, { repository: id, address, headers, sha256 }, async (answer) => answer);
          },
          wait: one.hub.wait,
          signal: one.signal,
          onProgress: one.onProgress,
        });
        return linkBlob(directory, file.path, blob);
      });
    },
    remember: () => rememberCommit(folder, id.revision, commit),
  };
}

async function commitOf(hub: HubConnection, id: RepositoryId): Promise<string> {
  const revision = encodeURIComponent(id.revision);
  const address = `${hub.endpoint}/api/${id.kind}s/${id.name}/revision/${revision}`;
  return answerOf(hub, id, async () => {
    const { sha } = (await (await getJson(hub, id, address)).json()) as { sha?: unknown };
    if (typeof sha !== "string" || !isCommit(sha)) throw notTheHub(hub, id, null);
    return sha;
  });
}

/** What the hub's API answers; read whole, so that a connection that breaks within it is tried again. */
function getJson(hub: HubConnection, id: RepositoryId, address: string): Promise<Response> {
  const asked = { repository: id, address, headers: { accept: "application/json" } };
  return request(hub, asked, async ({ status, headers, content }: HubAnswer) => {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of content) {
      bytes += piece.length;
      if (bytes > answerBytesLimit) throw notTheHub(hub, id, null);
      pieces.push(piece);
    }
    return new Response(Buffer.concat(pieces), { status, headers });
  });
}

/** A page of a thousand files takes some hundred kilobytes. */
const answerBytesLimit = 64 * 2 ** 20;

/** The largest data sets have some ten thousand files; more is a server that never ends its list. */
const filesLimit = 200_000;
const pagesLimit = 1000;

async function filesOf(
  hub: HubConnection,
  id: RepositoryId,
  commit: string,
): Promise<ReadonlyMap<string, RemoteFile>> {
  let pages = 0;
  const entries = listFiles({
    repo: { type: id.kind, name: id.name },
    revision: commit,
    recursive: id.kind === "dataset",
    hubUrl: hub.endpoint,
    // The library would send a token to wherever the list says it continues.
    fetch: async (address) => {
      if (++pages > pagesLimit) throw notTheHub(hub, id, null);
      return getJson(hub, id, String(address));
    },
  });
  return answerOf(hub, id, async () => {
    const files = new Map<string, RemoteFile>();
    for await (const { type, path: name, size, oid, lfs } of entries) {
      if (type !== "file" || !isInnerPath(name)) continue;
      const file: RemoteFile = lfs
        ? { path: name, bytes: size, hash: lfs.oid, hashKind: "sha256" }
        : { path: name, bytes: size, hash: oid ?? "", hashKind: "git" };
      if (!isSound(file) || files.size >= filesLimit) throw notTheHub(hub, id, null);
      files.set(name, file);
    }
    return files;
  });
}

function isSound({ bytes, hash, hashKind }: RemoteFile): boolean {
  const digits = hashKind === "git" ? /^[0-9a-f]{40}$/ : /^[0-9a-f]{64}$/;
  return Number.isSafeInteger(bytes) && bytes >= 0 && digits.test(hash);
}

/** What the hub answers in JSON; an answer that breaks off or is of another form becomes a clear error. */
async function answerOf<T>(hub: HubConnection, id: RepositoryId, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw error instanceof LuthierError ? error : notTheHub(hub, id, error);
  }
}

function notTheHub(hub: HubConnection, id: RepositoryId, cause: unknown): LuthierError {
  return new LuthierError(
    `${hub.endpoint} does not answer as the hub does when asked for the ${id.kind} ${id.name}`,
    "Check HF_ENDPOINT and the connection, and run again.",
    cause === null ? {} : { cause },
  );
}

function fileAddress(hub: HubConnection, id: RepositoryId, commit: string, name: string): string {
  const folder = id.kind === "dataset" ? "datasets/" : "";
  const encoded = name.split("/").map(encodeURIComponent).join("/");
  return `${hub.endpoint}/${folder}${id.name}/resolve/${commit}/${encoded}`;
}
