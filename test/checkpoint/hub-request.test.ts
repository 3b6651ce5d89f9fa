import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { fetchCheckpoint } from "../../src/checkpoint/hub.js";
import { temporaryFolder } from "./folder.js";
import { type Behaviour, commit, hubServer } from "./hub-server.js";
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
  const { environment } = await setting(single, behaviour);
  const error = await errorOf(fetchCheckpoint("org/name", { environment: { ...environment, ...variables } }));
  expect(error.message).toMatch(message);
  expect(error.fix).toMatch(fix);
});

test("no network is an error with the way to use the cache", async () => {
  const environment = { HF_ENDPOINT: "http://127.0.0.1:1", HF_HUB_CACHE: await temporaryFolder() };
  const error = await errorOf(fetchCheckpoint("org/name", { environment }));
  expect(error.message).toMatch(/127\.0\.0\.1:1 cannot be reached/);
  expect(error.fix).toMatch(/HF_HUB_OFFLINE=1/);
});

test("an endpoint that is no address is a usage error", async () => {
  const error = await errorOf(fetchCheckpoint("org/name", { environment: { HF_ENDPOINT: "ftp://x" } }));
  expect(error.usage).toBe(true);
});
