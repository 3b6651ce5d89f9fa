import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import path from "node:path";
import { fetchCheckpoint } from "../../../src/checkpoint/hub.js";
import { parserInFolder } from "../in-folder.js";
import { mutateJson } from "../mutate-json.js";

const commit = "0123456789abcdef0123456789abcdef01234567";
const gitHash = (content: string) =>
  createHash("sha1")
    .update(`blob ${Buffer.byteLength(content)}\0${content}`)
    .digest("hex");
const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");

const index = JSON.stringify({ weight_map: { "a.weight": "model-1.safetensors" } });
const contents: Readonly<Record<string, string>> = {
  "config.json": '{"model_type":"llama"}',
  "model.safetensors.index.json": index,
  "model-1.safetensors": "a shard",
};
const tree = Object.entries(contents).map(([file, content]) => ({
  ...{ type: "file", path: file, size: content.length, oid: gitHash(content) },
  ...(file.endsWith(".safetensors") && {
    lfs: { oid: sha256(content), size: content.length, pointerSize: 9 },
  }),
}));

/** Answers to requests for files: a status, headers, and which bytes of the file come. */
const responses = [
  {
    status: 206,
    headers: { "content-range": "bytes 3-6/7", "retry-after": "3", link: "" },
    first: 3,
    last: 7,
  },
  { status: 200, headers: { "content-length": "7" }, first: 0, last: 5 },
  {
    status: 302,
    headers: { location: "http://cdn.test/a/b?c=d", "x-linked-etag": `"${sha256("a shard")}"` },
  },
  { status: 302, headers: { location: "../elsewhere" } },
  { status: 429, headers: { ratelimit: '"api";r=0;t=12', "retry-after": "Fri, 31 Dec 1999 23:59:59 GMT" } },
  { status: 503, headers: {} },
  { status: 401, headers: { "x-error-code": "GatedRepo" } },
  { status: 403, headers: { "x-error-message": "no" } },
  { status: 404, headers: { "x-error-code": "EntryNotFound" } },
];

/** What the hub answers: the revision, the list of files, an index; and whole answers with their headers. */
export const hub = parserInFolder({
  name: "hub",
  covers: [
    "checkpoint/hub",
    "checkpoint/hub-request",
    "checkpoint/hub-refusal",
    "checkpoint/hub-download",
    "checkpoint/hub-cache",
    "checkpoint/hub-together",
  ],
  async fill() {
    const json = (file: string, value: unknown) => ({ file, bytes: Buffer.from(JSON.stringify(value)) });
    return [
      json("revision", { id: "org/name", sha: commit }),
      json("tree", tree),
      ...responses.map((response, at) => json(`response-${at}`, response)),
      { file: "index", bytes: Buffer.from(index) },
    ];
  },
  mutation: () => mutateJson,
  async read(folder, { file, bytes }) {
    const environment = {
      HF_ENDPOINT: "http://hub.test",
      HF_HUB_CACHE: path.join(folder, "cache"),
      HF_TOKEN: "hf_secret",
    };
    let asked = 0;
    const fetch = async (address: unknown) => {
      asked++;
      return answer(new URL(String(address)), file, bytes);
    };
    await rm(path.join(folder, "cache"), { recursive: true, force: true }); // what is there is not asked for
    const options = { environment, fetch: fetch as typeof globalThis.fetch, wait: async () => {} };
    await fetchCheckpoint("org/name", options).catch((error) => {
      if (asked <= mostRequests) throw error;
      throw new RangeError(`asked ${asked} times`, { cause: error });
    });
  },
});

/** Three files of fifty bytes: each of them once more for a byte that came, with all attempts. */
const mostRequests = 2000;

function answer({ pathname, host }: URL, file: string, bytes: Uint8Array): Response {
  const body = (name: string, sound: string) => new Response(file === name ? Buffer.from(bytes) : sound);
  if (pathname.includes("/revision/")) return body("revision", JSON.stringify({ sha: commit }));
  if (pathname.includes("/tree/")) return body("tree", JSON.stringify(tree));
  const name = decodeURIComponent(pathname.split("/").at(-1) ?? "");
  const content = contents[name];
  if (file.startsWith("response") && pathname.includes("/resolve/")) return responseOf(bytes, content ?? "?");
  if (host === "cdn.test") return new Response("a shard");
  if (content === undefined || host !== "hub.test") return new Response("{}", { status: 404 });
  return name.includes("index") ? body("index", content) : new Response(content);
}

/** Whatever of a status and headers a response can have at all. */
function responseOf(bytes: Uint8Array, content: string): Response {
  try {
    const { status, headers, first, last } = JSON.parse(Buffer.from(bytes).toString("utf8"));
    const body = status === 304 || status === 204 ? null : content.slice(first, last);
    return new Response(body, { status, headers });
  } catch {
    return new Response(content, { status: 500 });
  }
}
