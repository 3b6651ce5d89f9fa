import { homedir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRepositoryId, repositoryFolder } from "../../src/checkpoint/hub-cache.js";
import { LuthierError } from "../../src/error.js";

test.each([
  ["org/name", "org/name", "main"],
  ["Qwen/Qwen3-0.6B@v1.0", "Qwen/Qwen3-0.6B", "v1.0"],
  ["org/name@refs/convert/parquet", "org/name", "refs/convert/parquet"],
])("%s is read as name and revision", (id, name, revision) => {
  expect(parseRepositoryId("model", id)).toEqual({ kind: "model", name, revision });
});

test.each([
  "name",
  "org/name/more",
  "../name",
  "org/..",
  "org/name@",
  "org/name@../x",
  "org/name@a/../b",
  "org/name@/a",
  "org/a--b",
  "",
  "org/name?x=1",
])("%j is no repository", (id) => expect(() => parseRepositoryId("model", id)).toThrow(LuthierError));

test("whatever the id, its folder stays in the cache", () => {
  const piece = fc.constantFrom("a", ".", "..", "/", "@", "-", "--", "\\", "\0", "org", "\n");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      try {
        const id = parseRepositoryId("model", pieces.join(""));
        const folder = repositoryFolder(id, { HF_HUB_CACHE: "/cache" });
        expect(path.dirname(folder)).toBe("/cache");
        expect(path.join(folder, "refs", id.revision).startsWith(`${folder}/refs/`)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(LuthierError);
      }
    }),
    { numRuns: 1000 },
  );
});

test.each([
  [{ HF_HUB_CACHE: "/c", HUGGINGFACE_HUB_CACHE: "/d", HF_HOME: "/h" }, "/c"],
  [{ HUGGINGFACE_HUB_CACHE: "/d", HF_HOME: "/h" }, "/d"],
  [{ HF_HOME: "/h", XDG_CACHE_HOME: "/x" }, "/h/hub"],
  [{ XDG_CACHE_HOME: "/x" }, "/x/huggingface/hub"],
  [{}, path.join(homedir(), ".cache/huggingface/hub")],
])("with %j the cache is %s", (environment, cache) => {
  const id = parseRepositoryId("dataset", "org/name");
  expect(repositoryFolder(id, environment)).toBe(path.join(cache, "datasets--org--name"));
});
