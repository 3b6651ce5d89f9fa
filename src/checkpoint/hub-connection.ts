import { setTimeout as sleep } from "node:timers/promises";
import { LuthierError } from "../error.js";

/** How the hub is reached: where, as whom, by which `fetch`, and with how much patience. */
export interface HubConnection {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | null;
  readonly fetch: typeof globalThis.fetch;
  /** How long a server may say nothing, before its answer and within it. */
  readonly silenceMilliseconds: number;
  /** Lets time pass between two attempts. */
  readonly wait: (milliseconds: number) => Promise<void>;
  /** Hosts that have answered: when one of them goes away it is worth waiting for. */
  readonly answered: Set<string>;
}

/**
 * Reads HF_ENDPOINT, HF_TOKEN and HF_HUB_DOWNLOAD_TIMEOUT (seconds, 30 by default). The token goes into the header of
 * requests to the endpoint and nowhere else.
 */
export function connectionFrom(
  environment: NodeJS.ProcessEnv,
  fetch: typeof globalThis.fetch = globalThis.fetch,
  wait: HubConnection["wait"] = async (milliseconds) => void (await sleep(milliseconds)),
): HubConnection {
  return {
    endpoint: endpointIn(environment),
    token: tokenIn(environment),
    fetch,
    silenceMilliseconds: timeoutIn(environment),
    wait,
    answered: new Set(),
  };
}

/** True when HF_HUB_OFFLINE asks for the cache alone. */
export function isOffline(environment: NodeJS.ProcessEnv): boolean {
  return /^(1|true|yes|on)$/i.test(environment.HF_HUB_OFFLINE ?? "");
}

function endpointIn({ HF_ENDPOINT }: NodeJS.ProcessEnv): string {
  const endpoint = (HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url !== null && (url.username !== "" || url.password !== "")) {
    throw new LuthierError(
      "HF_ENDPOINT holds a user name or a password",
      "Take them out of the address; a mirror's token belongs into HF_TOKEN.",
      { usage: true },
    );
  }
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new LuthierError(
      `HF_ENDPOINT is ${JSON.stringify(endpoint)}, which is no web address`,
      "Set it to an address such as https://huggingface.co, or unset it.",
      { usage: true },
    );
  }
  return endpoint;
}

function tokenIn({ HF_TOKEN }: NodeJS.ProcessEnv): string | null {
  const token = HF_TOKEN?.trim() || null;
  if (token === null || /^[\x21-\x7e]+$/.test(token)) return token;
  // Checked here because fetch would quote the token in its own error.
  throw new LuthierError(
    "HF_TOKEN holds characters that a token cannot have",
    "Copy the token again from your settings on the hub.",
    { usage: true },
  );
}

function timeoutIn({ HF_HUB_DOWNLOAD_TIMEOUT }: NodeJS.ProcessEnv): number {
  const seconds = Number(HF_HUB_DOWNLOAD_TIMEOUT || 30);
  if (seconds > 0 && seconds <= 86_400) return seconds * 1000;
  throw new LuthierError(
    `HF_HUB_DOWNLOAD_TIMEOUT is ${JSON.stringify(HF_HUB_DOWNLOAD_TIMEOUT)}`,
    "Set it to a number of seconds up to 86400, or unset it.",
    { usage: true },
  );
}
