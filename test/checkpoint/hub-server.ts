import { createHash } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";

/*
 * A hub on 127.0.0.1: the revision, tree and resolve endpoints of one repository, as the hub answers them. Large files
 * are redirected to a second server, its content network. The token comes only to the first, if the client is right.
 */

export interface HubFile {
  readonly path: string;
  readonly content: Buffer;
  /** Stored by sha256 and served by the content network, as the hub does with large files. */
  readonly lfs?: boolean;
}

export interface Behaviour {
  /** Requests without this token are answered 401. */
  token?: string;
  /** Answers everything with a status and headers. */
  refuse?: Refused;
  /** Answers so many requests to the hub so, one after another, and then as it should. */
  refuseFirst?: Refused[];
  /** The same for the content network; 0 closes the connection without an answer. */
  networkRefusesFirst?: (Refused | 0)[];
  /** The content network answers requests for a file so, whenever it is asked, after some milliseconds. */
  networkRefuses?: Readonly<Record<string, Refused & { readonly afterMs?: number }>>;
  /** The content network takes so long to answer anything else. */
  networkDelayMs?: number;
  /** Answers of the API: cut off in the middle so many times, replaced by a page, never ending, or never begun. */
  cutAnswers?: number;
  page?: string;
  endless?: boolean;
  silent?: boolean;
  /** The content network sends so many bytes of each answer and then nothing, so many times. */
  stalls?: { readonly afterBytes: number; times: number };
  /** Bytes that the content network says it sends, over those it sends. */
  claimedBytesMore?: number;
  /** The sha256 that the hub's redirect names, in place of the file's. */
  linkedSha256?: string;
  /** The offset that answers to ranges claim to begin at, in place of the one asked for. */
  rangeBegin?: number;
  /** The content network closes the connection after so many bytes of an answer. */
  breakAfterBytes?: number;
  /** The content network sends the whole file, whatever the range. */
  ignoreRanges?: boolean;
  /** Serves other content than the tree lists. */
  corrupt?: (content: Buffer) => Buffer;
  /** Files in a page of the tree. */
  pageLength?: number;
  /** Where the tree is said to go on instead of at this server. */
  nextPageAt?: string;
}

export interface Refused {
  readonly status: number;
  readonly headers?: Record<string, string>;
}

export interface SeenRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface HubServer {
  readonly endpoint: string;
  /** Read anew at each request, so that a test can change it. */
  readonly behaviour: Behaviour;
  /** Requests to the hub and to its content network. */
  readonly hub: SeenRequest[];
  readonly network: SeenRequest[];
  /** Requests that the content network had to answer at one time, at most. */
  mostTogether(): number;
}

export const commit = "0123456789abcdef0123456789abcdef01234567";

/** @param repository as in addresses of the API: `models/org/name` or `datasets/org/name`. */
export async function hubServer(
  repository: string,
  files: readonly HubFile[],
  behaviour: Behaviour = {},
): Promise<HubServer> {
  const seen = { hub: [] as SeenRequest[], network: [] as SeenRequest[] };
  const together = { now: 0, most: 0 };
  const network = await listening(async (request, response) => {
    together.most = Math.max(together.most, ++together.now);
    response.on("close", () => together.now--);
    seen.network.push({ url: request.url!, headers: request.headers });
    const file = files.find(({ path }) => `/${path}` === request.url)!;
    const refused = behaviour.networkRefusesFirst?.shift();
    if (refused === 0) return void request.socket.destroy();
    if (refused !== undefined) return void response.writeHead(refused.status, refused.headers).end("no");
    const refusal = behaviour.networkRefuses?.[file.path];
    const delayMs = refusal ? refusal.afterMs : behaviour.networkDelayMs;
    if (delayMs !== undefined) await sleep(delayMs);
    if (refusal !== undefined) return void response.writeHead(refusal.status, refusal.headers).end("no");
    sendContent(request, response, file, behaviour);
  });
  const endpoint = await listening((request, response) => {
    seen.hub.push({ url: request.url!, headers: request.headers });
    answer(request, response, { repository, files, behaviour, network, endpoint });
  });
  return { endpoint, behaviour, ...seen, mostTogether: () => together.most };
}

interface Hub {
  readonly repository: string;
  readonly files: readonly HubFile[];
  readonly behaviour: Behaviour;
  readonly network: string;
  readonly endpoint: string;
}

function answer(request: IncomingMessage, response: ServerResponse, hub: Hub): void {
  const { repository, files, behaviour } = hub;
  const { token, silent } = behaviour;
  const refuse = behaviour.refuseFirst?.shift() ?? behaviour.refuse;
  if (silent) return;
  const url = decodeURIComponent(request.url!);
  const resolve = `/${repository.replace(/^models\//, "")}/resolve/${commit}/`;
  const revisions = ["main", "refs/pr/1"].map((revision) => `/api/${repository}/revision/${revision}`);
  const file = files.find(({ path }) => url === `${resolve}${path}`);
  if (refuse !== undefined) response.writeHead(refuse.status, refuse.headers).end("{}");
  else if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    response.writeHead(401).end("{}");
  } else if (revisions.includes(url)) sendJson(response, { id: repository, sha: commit }, behaviour);
  else if (url.startsWith(`/api/${repository}/tree/${commit}?`)) sendTree(url, response, hub);
  else if (file === undefined) response.writeHead(404, { "x-error-code": "RevisionNotFound" }).end("{}");
  else if (file.lfs) {
    const location = `${hub.network}/${file.path}`;
    const linked = behaviour.linkedSha256 ?? hashOf(file);
    response.writeHead(302, { location, "x-repo-commit": commit, "x-linked-etag": `"${linked}"` }).end();
  } else sendContent(request, response, file, behaviour);
}

function sendTree(url: string, response: ServerResponse, { files, behaviour, endpoint }: Hub): void {
  const address = new URL(url, endpoint);
  const first = Number(address.searchParams.get("cursor"));
  const last = first + (behaviour.pageLength ?? files.length);
  if (last < files.length) {
    address.searchParams.set("cursor", String(last));
    response.setHeader("link", `<${behaviour.nextPageAt ?? address}>; rel="next"`);
  }
  const entries = files.slice(first, last).map((file) => ({
    type: "file",
    path: file.path,
    size: file.content.length,
    oid: gitHash(file.lfs ? Buffer.from("a pointer") : file.content),
    ...(file.lfs && { lfs: { oid: hashOf(file), size: file.content.length, pointerSize: 9 } }),
  }));
  const folders = [{ type: "directory", path: "onnx", size: 0, oid: gitHash(Buffer.alloc(0)) }];
  sendJson(response, [...folders, ...entries], behaviour);
}

function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
  file: HubFile,
  behaviour: Behaviour,
): void {
  const { breakAfterBytes, ignoreRanges, corrupt, stalls, claimedBytesMore = 0, rangeBegin } = behaviour;
  const content = corrupt?.(file.content) ?? file.content;
  const begin = ignoreRanges ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const part = content.subarray(begin);
  const range = `bytes ${rangeBegin ?? begin}-${content.length - 1}/${content.length}`;
  const length = part.length + (file.lfs ? claimedBytesMore : 0);
  const headers = { etag: `"${hashOf(file)}"`, "x-repo-commit": commit, "content-length": length };
  if (begin > 0) response.writeHead(206, { ...headers, "content-range": range });
  else response.writeHead(200, headers);
  const destroy = () => setTimeout(() => response.destroy(), 20);
  if (file.lfs && stalls && stalls.times-- > 0) response.write(part.subarray(0, stalls.afterBytes));
  else if (file.lfs && part.length > (breakAfterBytes ?? Number.POSITIVE_INFINITY)) {
    response.write(part.subarray(0, breakAfterBytes), destroy);
  } else if (length > part.length) response.write(part, destroy);
  else response.end(part);
}

export function hashOf(file: HubFile): string {
  return file.lfs ? createHash("sha256").update(file.content).digest("hex") : gitHash(file.content);
}

function gitHash(content: Buffer): string {
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

function sendJson(response: ServerResponse, value: unknown, behaviour: Behaviour): void {
  const text = behaviour.page ?? JSON.stringify(value);
  const type = behaviour.page === undefined ? "application/json" : "text/html";
  response.writeHead(200, {
    "content-type": type,
    ...(behaviour.endless ? {} : { "content-length": text.length }),
  });
  if (behaviour.endless) sendWithoutEnd(response);
  else if (behaviour.cutAnswers === undefined || behaviour.cutAnswers-- <= 0) response.end(text);
  else response.write(text.slice(0, text.length / 2), () => setTimeout(() => response.destroy(), 20));
}

function sendWithoutEnd(response: ServerResponse): void {
  const piece = Buffer.alloc(2 ** 20, " ");
  const more = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on("drain", more);
  more();
}

/** Starts a server on a free port; returns its address. */
async function listening(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
