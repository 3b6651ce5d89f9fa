import { LuthierError } from "../error.js";
import type { RepositoryId } from "./hub-cache.js";
import type { HubConnection } from "./hub-connection.js";
import { refusalError, secondsUntilWelcome } from "./hub-refusal.js";

/** What a server answered with success; its content comes in pieces, and must be read or left. */
export interface HubAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly content: AsyncIterable<Uint8Array>;
}

export interface HubRequest {
  readonly repository: RepositoryId;
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  /** sha256 that the hub must name in `x-linked-etag`, where it names one: another is another file. */
  readonly sha256?: string;
}

/**
 * Waits before the attempts after the first, in milliseconds, unless the server asks for longer. There is no jitter: the
 * same run does the same.
 */
export const retryWaits: readonly number[] = [1000, 2000, 4000, 8000];

/** The hub counts requests in windows of five minutes; a server that wants more is left to the user. */
const longestWaitSeconds = 300;

/** Downloads go hub → content network, rarely through one more. */
const redirectsLimit = 5;

/**
 * A GET that follows redirects itself, so that the token is sent to the endpoint's own origin only. What may pass is tried
 * again: 408, 429, 5xx, connections that break, and servers that fall silent.
 *
 * @param read takes from the answer what is wanted; when the connection breaks meanwhile, all is asked for again.
 * @throws LuthierError when the hub cannot be reached, or answers with anything but success.
 */
export async function request<T>(
  hub: HubConnection,
  asked: HubRequest,
  read: (answer: HubAnswer) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const outcome = await tryOnce(hub, asked, read);
    if ("value" in outcome) return outcome.value;
    const { error, welcomeSeconds } = outcome;
    if (attempt >= retryWaits.length || welcomeSeconds > longestWaitSeconds) throw error;
    await hub.wait(Math.max(retryWaits[attempt], welcomeSeconds * 1000));
  }
}

/** Closes the connection of an answer that is not wanted. */
export async function leave({ content }: HubAnswer): Promise<void> {
  for await (const _ of content) return;
}

/** A failure that may pass. */
interface Setback {
  readonly error: LuthierError;
  /** When the server wants to be asked again; 0 where it does not say. */
  readonly welcomeSeconds: number;
}

async function tryOnce<T>(
  hub: HubConnection,
  asked: HubRequest,
  read: (answer: HubAnswer) => Promise<T>,
): Promise<{ readonly value: T } | Setback> {
  const { origin } = new URL(hub.endpoint);
  let url = new URL(asked.address);
  for (let redirects = 0; redirects <= redirectsLimit; redirects++) {
    const token = url.origin === origin ? hub.token : null;
    const headers = { ...asked.headers, ...(token !== null && { authorization: `Bearer ${token}` }) };
    try {
      const response = await send(hub, url, headers);
      const location = response.headers.get("location");
      if (url.origin === origin) checkLinked(response.headers, asked);
      if (response.ok) return { value: await read(answerOf(hub, response)) };
      response.body?.cancel().catch(() => {}); // nothing of it is wanted; a server may hold it open
      if (response.status < 300 || response.status >= 400 || location === null) {
        return setbackOf(hub, asked, url, response);
      }
      url = redirected(url, location);
    } catch (error) {
      if (error instanceof LuthierError) throw error;
      const lost = unreachable(url.host, error);
      if (isNobodyThere(error) && !hub.answered.has(url.host)) throw lost;
      return { error: lost, welcomeSeconds: 0 };
    }
  }
  throw new LuthierError(`${new URL(asked.address).host} sends requests in a circle`, "Check HF_ENDPOINT.");
}

async function send(
  hub: HubConnection,
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(silence(hub)), hub.silenceMilliseconds);
  try {
    const response = await hub.fetch(url, { headers, redirect: "manual", signal: stop.signal });
    hub.answered.add(url.host);
    return response;
  } finally {
    clearTimeout(timer);
  }
}

function silence({ silenceMilliseconds }: HubConnection): Error {
  return new Error(`nothing came for ${silenceMilliseconds / 1000} seconds`);
}

function answerOf(hub: HubConnection, { status, headers, body }: Response): HubAnswer {
  return { status, headers, content: body === null ? noContent() : unlessSilent(hub, body) };
}

async function* noContent(): AsyncIterable<Uint8Array> {}

async function* unlessSilent(
  hub: HubConnection,
  body: ReadableStream<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const tooLong = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(silence(hub)), hub.silenceMilliseconds);
      });
      const { done, value } = await Promise.race([reader.read(), tooLong]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {}); // closes the connection; after its end there is nothing to close
  }
}

/** Large files are named by sha256 in the hub's redirect, before a byte of them is sent. */
function checkLinked(headers: Headers, { sha256, repository }: HubRequest): void {
  const named = /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(headers.get("x-linked-etag") ?? "")?.[1];
  if (sha256 === undefined || named === undefined || named === sha256) return;
  throw new LuthierError(
    `the hub lists a file of the ${repository.kind} ${repository.name} with sha256 ${sha256} and sends another, ${named}`,
    "Run again; if that repeats, check HF_ENDPOINT and proxies on the way.",
  );
}

/** Refusals for good are thrown. */
function setbackOf(hub: HubConnection, { repository }: HubRequest, url: URL, response: Response): Setback {
  const { status, headers } = response;
  const { endpoint, token } = hub;
  const hasToken = token !== null;
  const error = refusalError({ status, headers, host: url.host, endpoint, repository, hasToken });
  if (status !== 408 && status !== 429 && status < 500) throw error;
  return { error, welcomeSeconds: secondsUntilWelcome(headers) ?? 0 };
}

/** No such host, or nothing that listens there: a wrong address or no network, seldom mended by waiting. */
function isNobodyThere(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string } };
  return cause?.code === "ENOTFOUND" || cause?.code === "ECONNREFUSED";
}

function unreachable(host: string, error: unknown): LuthierError {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  const reason = cause?.code ?? cause?.message ?? (error as Error).message;
  return new LuthierError(
    `${host} cannot be reached: ${reason}`,
    "Check the connection and HF_ENDPOINT, and run again. " +
      "Set HF_HUB_OFFLINE=1 to use what was downloaded before.",
    { cause: error },
  );
}

/** Addresses that are led to may be signed: errors show no more of them than the host. */
function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : null;
  const isSafe = to !== null && (to.protocol === "https:" || to.protocol === from.protocol);
  if (isSafe && to.username === "" && to.password === "") return to;
  throw new LuthierError(
    `${from.host} redirects to ${to === null ? "no address" : `${to.protocol}//${to.host}`}, which is not safe to follow`,
    "Check HF_ENDPOINT.",
  );
}
