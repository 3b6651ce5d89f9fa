import { readdir, readFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import path from "node:path";
import { expect, test } from "vitest";
import { fetchCheckpoint } from "../../src/checkpoint/hub.js";
import { temporaryFolder } from "./folder.js";
import { type Behaviour, commit, hubServer, type Refused } from "./hub-server.js";
import { errorOf, setting, single } from "./hub-setting.js";

test("the token goes to the hub and not to the content network, the disk or a foreign page", async () => {
  const token = "hf_secret";
  const stranger = await hubServer("models/org/name", []);
  const { environment, hub, folder } = await setting(single, { token });
  const withToken = { ...environment, HF_TOKEN: token };
  await fetchCheckpoint("org/name", { environment: withToken });
  expect(hub.hub.every(({ headers }) => headers.authorization === `Bearer ${token}`)).toBe(true);
  expect(hub.network.length).toBeGreaterThan(0);
  expect(hub.network.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  for (const blob of await readdir(path.join(folder, "blobs"))) {
    expect(await readFile(path.join(folder, "blobs", blob), "latin1")).not.toContain(token);
  }
  Object.assign(hub.behaviour, {
    pageLength: 1,
    nextPageAt: `${stranger.endpoint}/api/models/org/name/tree/${commit}?`,
  });
  await fetchCheckpoint("org/name", { environment: withToken }).catch(() => {});
  expect(stranger.hub.map(({ headers }) => headers.authorization)).toEqual([undefined]);
});

test("a token with a line break is refused without being shown", async () => {
  const { environment } = await setting(single);
  const error = await errorOf(
    fetchCheckpoint("org/name", { environment: { ...environment, HF_TOKEN: "hf_\nsecret" } }),
  );
  expect(error.message).toMatch(/HF_TOKEN holds characters/);
  expect(`${error.message} ${error.fix}`).not.toContain("secret");
});

test.each<[string, Behaviour, NodeJS.ProcessEnv, RegExp, RegExp]>([
  [
    "401 without a token",
    { token: "hf_x" },
    {},
    /there is no model org\/name, or it is not public/,
    /set HF_TOKEN/,
  ],
  [
    "401 with a token",
    { token: "hf_x" },
    { HF_TOKEN: "hf_y" },
    /the token in HF_TOKEN does not open/,
    /still valid/,
  ],
  [
    "403",
    { refuse: { status: 403 } },
    {},
    /access to the model org\/name is not granted/,
    /Accept its licence at http.*\/org\/name/,
  ],
  ["404", { refuse: { status: 404 } }, {}, /there is no model org\/name at revision main/, /Check the name/],
  [
    "404 of a revision",
    { refuse: { status: 404, headers: { "x-error-code": "RevisionNotFound" } } },
    {},
    /has no revision main/,
    /branches/,
  ],
  [
    "429",
    { refuse: { status: 429, headers: { "retry-after": "7" } } },
    {},
    /no more requests/,
    /Wait 7 seconds/,
  ],
  ["503", { refuse: { status: 503 } }, {}, /in trouble/, /HF_HUB_OFFLINE=1/],
  ["418", { refuse: { status: 418 } }, {}, /answered 418/, /HF_ENDPOINT/],
  [
    "a redirect to a file",
    { refuse: { status: 302, headers: { location: "file:///etc/passwd" } } },
    {},
    /not safe to follow/,
    /HF_ENDPOINT/,
  ],
  ["a circle", { refuse: { status: 302, headers: { location: "/" } } }, {}, /in a circle/, /HF_ENDPOINT/],
  [
    "something that is not the hub",
    { refuse: { status: 200 } },
    {},
    /does not answer as the hub does/,
    /HF_ENDPOINT/,
  ],
])("%s is an error that says what to do", async (_, behaviour, variables, message, fix) => {
  const { environment, wait } = await setting(single, behaviour);
  const asked = { environment: { ...environment, ...variables }, wait };
  const error = await errorOf(fetchCheckpoint("org/name", asked));
  expect(error.message).toMatch(message);
  expect(error.fix).toMatch(fix);
});

test.each<[string, Refused]>([
  ["429", { status: 429 }],
  ["408", { status: 408 }],
  ["500", { status: 500 }],
  ["503", { status: 503 }],
  ["504", { status: 504 }],
])("%s is tried again after growing waits, and given up after four", async (_, refused) => {
  const twice = await setting(single, { refuseFirst: [refused, refused] });
  await fetchCheckpoint("org/name", twice);
  expect(twice.waits).toEqual([1000, 2000]);
  const always = await setting(single, { refuse: refused });
  await errorOf(fetchCheckpoint("org/name", always));
  expect(always.waits).toEqual([1000, 2000, 4000, 8000]);
  expect(always.hub.hub).toHaveLength(5);
});

test.each([401, 403, 404, 410])("%d is not tried again", async (status) => {
  const { hub, waits, ...asked } = await setting(single, { refuse: { status } });
  await errorOf(fetchCheckpoint("org/name", asked));
  expect(waits).toEqual([]);
  expect(hub.hub).toHaveLength(1);
});

test.each<[string, Record<string, string>, number]>([
  ["seconds", { "retry-after": "7" }, 7000],
  ["less than would be waited anyway", { "retry-after": "0" }, 1000],
  ["the end of the hub's window", { ratelimit: '"api";r=0;t=55' }, 55_000],
  ["nonsense", { "retry-after": "soon" }, 1000],
])("a server that names %s is waited for", async (_, headers, expected) => {
  const asked = await setting(single, { refuseFirst: [{ status: 429, headers }] });
  await fetchCheckpoint("org/name", asked);
  expect(asked.waits).toEqual([expected]);
});

test("a server that names a time is waited for until then", async () => {
  const time = new Date(Date.now() + 100_000).toUTCString();
  const asked = await setting(single, { refuseFirst: [{ status: 503, headers: { "retry-after": time } }] });
  await fetchCheckpoint("org/name", asked);
  expect(asked.waits).toHaveLength(1);
  expect(asked.waits[0]).toBeGreaterThan(90_000);
  expect(asked.waits[0]).toBeLessThanOrEqual(100_000);
});

test("a server that wants more than five minutes is left to the user, who is told how long", async () => {
  const asked = await setting(single, { refuse: { status: 429, headers: { "retry-after": "3600" } } });
  const error = await errorOf(fetchCheckpoint("org/name", asked));
  expect(error.fix).toMatch(/Wait 3600 seconds/);
  expect(asked.waits).toEqual([]);
});

test("the content network is tried again too: through the hub, for signed addresses grow old", async () => {
  const asked = await setting(single, { networkRefusesFirst: [{ status: 503 }, 0] });
  await fetchCheckpoint("org/name", asked);
  expect(asked.waits).toEqual([1000, 2000]);
  expect(asked.hub.hub.filter(({ url }) => url.endsWith("model.safetensors"))).toHaveLength(3);
});

test("an answer of the API that breaks off is asked for again", async () => {
  const asked = await setting(single, { cutAnswers: 2 });
  const snapshot = await fetchCheckpoint("org/name", asked);
  expect(asked.waits).toEqual([1000, 2000]);
  expect(await readdir(snapshot)).toHaveLength(3);
});

test("a page in place of JSON, as of a gateway that wants a login, is no hub", async () => {
  const asked = await setting(single, { page: "<!doctype html><title>Log in</title>" });
  const error = await errorOf(fetchCheckpoint("org/name", asked));
  expect(error.message).toMatch(/does not answer as the hub does when asked for the model org\/name/);
  expect(asked.waits).toEqual([]);
});

test("an answer that never ends is left after 64 MiB", async () => {
  const asked = await setting(single, { endless: true });
  expect((await errorOf(fetchCheckpoint("org/name", asked))).message).toMatch(
    /does not answer as the hub does/,
  );
});

test("a list whose pages never end is left", async () => {
  const { hub, ...asked } = await setting(single, { pageLength: 1 });
  hub.behaviour.nextPageAt = `${hub.endpoint}/api/models/org/name/tree/${commit}?cursor=0`;
  expect((await errorOf(fetchCheckpoint("org/name", asked))).message).toMatch(
    /does not answer as the hub does/,
  );
});

test("a hub that takes a request and says nothing is an error after all attempts", async () => {
  const { environment, wait, waits } = await setting(single, { silent: true });
  const patience = { ...environment, HF_HUB_DOWNLOAD_TIMEOUT: "0.05" };
  const error = await errorOf(fetchCheckpoint("org/name", { environment: patience, wait }));
  expect(error.message).toMatch(/cannot be reached: nothing came for 0\.05 seconds/);
  expect(waits).toHaveLength(4);
});

test("a redirect that is not safe is shown by its host alone: the rest may be a signature", async () => {
  const location = "http://user:hidden@127.0.0.1:1/?signature=hidden";
  const asked = await setting(single, { refuse: { status: 302, headers: { location } } });
  const error = await errorOf(fetchCheckpoint("org/name", asked));
  expect(error.message).toMatch(/redirects to http:\/\/127\.0\.0\.1:1, which is not safe/);
  expect(`${error.stack} ${error.fix}`).not.toContain("hidden");
});

test("an endpoint with a password is refused without being shown", async () => {
  const environment = { HF_ENDPOINT: "https://user:hidden@mirror.example" };
  const error = await errorOf(fetchCheckpoint("org/name", { environment }));
  expect(error.message).toBe("HF_ENDPOINT holds a user name or a password");
  expect(`${error.stack} ${error.fix}`).not.toContain("hidden");
  expect(error.usage).toBe(true);
});

test.each(["0", "-1", "long", "1e9"])("a timeout of %s is a usage error", async (timeout) => {
  const environment = { HF_HUB_DOWNLOAD_TIMEOUT: timeout };
  expect((await errorOf(fetchCheckpoint("org/name", { environment }))).usage).toBe(true);
});

test("a mirror under a path is asked there", async () => {
  const { hub, environment, folder } = await setting(single);
  const mirror = { ...environment, HF_ENDPOINT: `${hub.endpoint}/mirror/` };
  await errorOf(fetchCheckpoint("org/name", { environment: mirror }));
  expect(hub.hub.map(({ url }) => url)).toEqual(["/mirror/api/models/org/name/revision/main"]);
  await expect(readdir(folder)).rejects.toThrow(/ENOENT/);
});

test("no network is an error at once, with the way to use the cache", async () => {
  const environment = { HF_ENDPOINT: await closedAddress(), HF_HUB_CACHE: await temporaryFolder() };
  const waits: number[] = [];
  const wait = async (milliseconds: number) => void waits.push(milliseconds);
  const error = await errorOf(fetchCheckpoint("org/name", { environment, wait }));
  expect(error.message).toBe(`${new URL(environment.HF_ENDPOINT).host} cannot be reached: ECONNREFUSED`);
  expect(error.fix).toMatch(/HF_HUB_OFFLINE=1/);
  expect(waits).toEqual([]);
});

test("a network that goes away in the middle is waited for", async () => {
  const { hub, environment } = await setting(single);
  let calls = 0;
  const goes: typeof fetch = (input, init) => {
    if (++calls !== 3) return fetch(input, init);
    throw Object.assign(new TypeError("fetch failed"), { cause: { code: "ENOTFOUND" } });
  };
  const waits: number[] = [];
  const wait = async (milliseconds: number) => void waits.push(milliseconds);
  await fetchCheckpoint("org/name", { environment, fetch: goes, wait });
  expect(waits).toEqual([1000]);
  expect(hub.network).toHaveLength(1);
});

test("an endpoint that is no address is a usage error", async () => {
  const error = await errorOf(fetchCheckpoint("org/name", { environment: { HF_ENDPOINT: "ftp://x" } }));
  expect(error.usage).toBe(true);
});

/** An address of this machine at which nothing listens. */
async function closedAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}
