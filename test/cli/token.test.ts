import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { type Behaviour, type HubFile, hubServer } from "../checkpoint/hub-server.js";
import { bundledModel, temporaryFolder } from "../pipeline/run.js";
import { start } from "./luthier.js";

/* The hub's token is sent to the hub, and appears nowhere else: not on the screen, not in a file, not in an error. */

const token = "hf_aTokenThatMustNotBeSeen";
const files: HubFile[] = readdirSync(bundledModel)
  .filter((name) => /\.(json|safetensors)$/.test(name))
  .map((name) => ({
    path: name,
    content: readFileSync(path.join(bundledModel, name)),
    lfs: name.endsWith(".safetensors"),
  }));

async function quantizeFromHub(behaviour: Behaviour, environment: NodeJS.ProcessEnv = {}) {
  const hub = await hubServer("models/org/name", files, behaviour);
  const folder = temporaryFolder();
  const parameters = [
    "quantize",
    "org/name",
    "--recipe",
    "rtn-int2-g64",
    "--out",
    path.join(folder, "run"),
    "--debug",
  ];
  const { code, out, err } = await start(parameters, {
    env: {
      ...process.env,
      HF_TOKEN: token,
      HF_ENDPOINT: hub.endpoint,
      HF_HOME: path.join(folder, "cache"),
      HF_HUB_OFFLINE: "",
      ...environment,
    },
  }).finished;
  return { hub, folder, code, printed: out + err };
}

/** Names of the files in a folder that hold the token, and how many were looked at. */
function filesWithToken(folder: string): { readonly looked: number; readonly found: readonly string[] } {
  const all = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(path.join(folder, name)).isFile(),
  );
  const found = all.filter((name) => readFileSync(path.join(folder, name)).includes(token));
  return { looked: all.length, found };
}

test("a run from the hub leaves the token in no file and no line", async () => {
  const { hub, folder, code, printed } = await quantizeFromHub({ token });
  expect(code).toBe(0);
  expect(hub.hub.length).toBeGreaterThan(0);
  expect(hub.hub.every(({ headers }) => headers.authorization === `Bearer ${token}`)).toBe(true);
  expect(hub.network.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  expect(printed).not.toContain(token);
  const { looked, found } = filesWithToken(folder);
  expect(looked).toBeGreaterThan(40);
  expect(found).toEqual([]);
});

test.each<[string, Behaviour, NodeJS.ProcessEnv]>([
  ["a token that is refused", { token: "another" }, {}],
  ["access that is not granted", { refuse: { status: 403 } }, {}],
  ["a wait that is too long", { refuse: { status: 429, headers: { "retry-after": "9999" } } }, {}],
  ["a page for JSON", { page: `<html>${token}</html>` }, {}],
  ["an unsafe redirect", { refuse: { status: 302, headers: { location: `ftp://x/?${token}` } } }, {}],
  ["no hub at all", {}, { HF_ENDPOINT: "http://127.0.0.2:44444" }],
  ["a token that cannot be one", {}, { HF_TOKEN: `${token}\u00e9` }],
  ["a password in the address", {}, { HF_ENDPOINT: `http://user:${token}@127.0.0.1` }],
])("%s is an error without the token, stack and cause included", async (_, behaviour, environment) => {
  const { folder, code, printed } = await quantizeFromHub(behaviour, environment);
  expect(code).toBeGreaterThan(0);
  expect(printed).toMatch(/error:/);
  expect(printed).not.toContain(token);
  expect(filesWithToken(folder).found).toEqual([]);
});
