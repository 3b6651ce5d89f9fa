import { createHash } from "node:crypto";
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

/** What the hub answers: the revision, the list of files, an index; and whole answers with their headers. */
export const hub = parserInFolder({
  name: "hub",
  covers: [
    "checkpoint/hub",
    "checkpoint/hub-request",
    "checkpoint/hub-refusal",
    "checkpoint/hub-download",
    "checkpoint/hub-cache",
  ],
  async fill() {
    const json = (file: string, value: unknown) => ({ file, bytes: Buffer.from(JSON.stringify(value)) });
    return [
      json("revision", { id: "org/name", sha: commit }),
      json("tree", tree),
      json("response", {
        status: 206,
        headers: { "content-range": "bytes 0-6/7", "retry-after": "3", link: "", location: "" },
      }),
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
      if (++asked > 100) throw new TypeError("asked without end");
      return answer(new URL(String(address)), file, bytes);
    };
    await fetchCheckpoint("org/name", {
      environment,
      fetch: fetch as typeof globalThis.fetch,
      wait: async () => {},
    });
  },
});

function answer({ pathname, host }: URL, file: string, bytes: Uint8Array): Response {
  const body = (name: string, sound: string) => new Response(file === name ? Buffer.from(bytes) : sound);
  if (file === "response" && pathname.includes("/resolve/")) return responseOf(bytes, "a shard");
  if (pathname.includes("/revision/")) return body("revision", JSON.stringify({ sha: commit }));
  if (pathname.includes("/tree/")) return body("tree", JSON.stringify(tree));
  const name = decodeURIComponent(pathname.split("/").at(-1) ?? "");
  const content = contents[name];
  if (content === undefined || host !== "hub.test") return new Response("{}", { status: 404 });
  return name.includes("index") ? body("index", content) : new Response(content);
}

/** Whatever of a status and headers a response can have at all. */
function responseOf(bytes: Uint8Array, content: string): Response {
  try {
    const { status, headers } = JSON.parse(Buffer.from(bytes).toString("utf8"));
    return new Response(status === 304 || status === 204 ? null : content, { status, headers });
  } catch {
    return new Response(content, { status: 500 });
  }
}
