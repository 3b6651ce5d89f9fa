import { LuthierError } from "../error.js";
import type { RepositoryId } from "./hub-cache.js";

/** How the hub is reached: where, as whom, and by which `fetch`. */
export interface HubConnection {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | null;
  readonly fetch: typeof globalThis.fetch;
}

/** Reads HF_ENDPOINT and HF_TOKEN. The token goes into the header of requests to the endpoint and nowhere else. */
export function connectionFrom(
  environment: NodeJS.ProcessEnv,
  fetch: typeof globalThis.fetch,
): HubConnection {
  const endpoint = (environment.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new LuthierError(
      `HF_ENDPOINT is ${JSON.stringify(endpoint)}, which is no web address`,
      "Set it to an address such as https://huggingface.co, or unset it.",
      { usage: true },
    );
  }
  const token = environment.HF_TOKEN?.trim() || null;
  if (token !== null && !/^[\x21-\x7e]+$/.test(token)) {
    // Checked here because fetch would quote the token in its own error.
    throw new LuthierError(
      "HF_TOKEN holds characters that a token cannot have",
      "Copy the token again from your settings on the hub.",
      { usage: true },
    );
  }
  return { endpoint, token, fetch };
}

/** True when HF_HUB_OFFLINE asks for the cache alone. */
export function isOffline(environment: NodeJS.ProcessEnv): boolean {
  return /^(1|true|yes|on)$/i.test(environment.HF_HUB_OFFLINE ?? "");
}

/** Downloads go hub → content network, rarely through one more. */
const redirectsLimit = 5;

/**
 * A GET that follows redirects itself, so that the token is sent to the endpoint's own origin only.
 *
 * @param repository what is asked for, for errors.
 * @throws LuthierError when the hub cannot be reached, or answers with anything but success.
 */
export async function request(
  hub: HubConnection,
  repository: RepositoryId,
  address: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const origin = new URL(hub.endpoint).origin;
  let url = new URL(address);
  for (let redirects = 0; redirects <= redirectsLimit; redirects++) {
    const withToken = url.origin === origin && hub.token !== null;
    const response = await send(
      hub,
      url,
      withToken ? { ...headers, authorization: `Bearer ${hub.token}` } : headers,
    );
    if (response.ok) return response;
    await response.body?.cancel();
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || location === null) {
      throw refusal(hub, repository, url, response);
    }
    url = redirected(url, location);
  }
  throw new LuthierError(`${new URL(address).host} sends requests in a circle`, "Check HF_ENDPOINT.");
}

async function send(
  hub: HubConnection,
  url: URL,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  try {
    return await hub.fetch(url, { headers, redirect: "manual" });
  } catch (error) {
    throw unreachable(url.host, error);
  }
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

function redirected(from: URL, location: string): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : null;
  if (to !== null && (to.protocol === "https:" || to.protocol === from.protocol)) return to;
  throw new LuthierError(
    `${from.host} redirects to ${JSON.stringify(location.slice(0, 100))}, which is not safe to follow`,
    "Check HF_ENDPOINT.",
  );
}

function refusal(hub: HubConnection, repository: RepositoryId, url: URL, response: Response): LuthierError {
  const { kind, name, revision } = repository;
  const page = `${hub.endpoint}/${kind === "dataset" ? "datasets/" : ""}${name}`;
  const { status, headers } = response;
  const [what, fix] = (() => {
    switch (status) {
      case 401:
        return hub.token === null
          ? [
              `there is no ${kind} ${name}, or it is not public`,
              `Check the name; for a private or gated ${kind}, set HF_TOKEN.`,
            ]
          : [
              `the token in HF_TOKEN does not open the ${kind} ${name}`,
              "Check the name, and whether the token is still valid.",
            ];
      case 403:
        return [
          `access to the ${kind} ${name} is not granted`,
          `Accept its licence at ${page}, and set HF_TOKEN to a token of that account that may read it.`,
        ];
      case 404:
        return headers.get("x-error-code") === "RevisionNotFound"
          ? [`the ${kind} ${name} has no revision ${revision}`, `See its branches and tags at ${page}.`]
          : [
              `there is no ${kind} ${name} at revision ${revision}`,
              `Check the name and the revision at ${page}.`,
            ];
      case 429: {
        const seconds = Number(headers.get("retry-after"));
        const wait = seconds > 0 ? `Wait ${seconds} seconds` : "Wait some minutes";
        return [
          "it allows no more requests for now",
          `${wait} and run again; with HF_TOKEN set the limit is higher.`,
        ];
      }
      default:
        return status >= 500
          ? [
              "it is in trouble",
              "Run again later, or set HF_HUB_OFFLINE=1 to use what was downloaded before.",
            ]
          : ["that was not expected", "Check HF_ENDPOINT."];
    }
  })();
  return new LuthierError(`${url.host} answered ${status}: ${what}`, fix);
}
