import { LuthierError } from "../error.js";
import type { RepositoryId } from "./hub-cache.js";

/** An answer that is neither success nor a redirect, and what was asked. */
export interface Refusal {
  readonly status: number;
  readonly headers: Headers;
  readonly host: string;
  readonly endpoint: string;
  readonly repository: RepositoryId;
  readonly hasToken: boolean;
}

/** What the hub means by its status, and the way out. */
export function refusalError(refusal: Refusal): LuthierError {
  const [what, fix] = meaningOf(refusal);
  return new LuthierError(`${refusal.host} answered ${refusal.status}: ${what}`, fix);
}

/** Seconds after which the server would like to be asked again, or null when it does not say. */
export function secondsUntilWelcome(headers: Headers): number | null {
  const after = headers.get("retry-after");
  if (after !== null) {
    const seconds = /^\d+$/.test(after) ? Number(after) : (Date.parse(after) - Date.now()) / 1000;
    return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
  }
  // The hub's limits: `"api";r=0;t=55` is no request left, and 55 seconds until the window ends.
  const windowEnd = /(?:^|;)\s*t=(\d{1,6})\b/.exec(headers.get("ratelimit") ?? "");
  return windowEnd === null ? null : Number(windowEnd[1]);
}

function meaningOf(refusal: Refusal): readonly [what: string, fix: string] {
  const { kind, name, revision } = refusal.repository;
  const { status, headers } = refusal;
  const page = `${refusal.endpoint}/${kind === "dataset" ? "datasets/" : ""}${name}`;
  if (status === 401) {
    return refusal.hasToken
      ? [
          `the token in HF_TOKEN does not open the ${kind} ${name}`,
          "Check the name, and whether the token is still valid.",
        ]
      : [
          `there is no ${kind} ${name}, or it is not public`,
          `Check the name; for a private or gated ${kind}, set HF_TOKEN.`,
        ];
  }
  if (status === 403) {
    return [
      `access to the ${kind} ${name} is not granted`,
      `Accept its licence at ${page}, and set HF_TOKEN to a token of that account that may read it.`,
    ];
  }
  if (status === 404) {
    return headers.get("x-error-code") === "RevisionNotFound"
      ? [`the ${kind} ${name} has no revision ${revision}`, `See its branches and tags at ${page}.`]
      : [
          `there is no ${kind} ${name} at revision ${revision}`,
          `Check the name and the revision at ${page}.`,
        ];
  }
  if (status === 429) {
    const seconds = secondsUntilWelcome(headers);
    const wait = seconds ? `Wait ${seconds} seconds` : "Wait some minutes";
    return [
      "it allows no more requests for now",
      `${wait} and run again${refusal.hasToken ? "." : "; with HF_TOKEN set the limit is higher."}`,
    ];
  }
  if (status >= 500 || status === 408) {
    return [
      "it is in trouble",
      "Run again later, or set HF_HUB_OFFLINE=1 to use what was downloaded before.",
    ];
  }
  return ["that was not expected", "Check HF_ENDPOINT."];
}
