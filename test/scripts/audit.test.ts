import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../pipeline/run.js";

const script = path.join(import.meta.dirname, "../../scripts/audit.mjs");
const integrity = `sha512-${"A".repeat(86)}==`;

function audit(...parameters: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...parameters], {
    encoding: "utf8",
  });
  return { code: status, out: stdout, err: stderr };
}

interface MadeUp {
  /** The entry `node_modules/a` of the lockfile. */
  readonly entry?: Record<string, unknown>;
  /** What is installed there; null for nothing. */
  readonly installed?: Record<string, unknown> | null;
  readonly own?: Record<string, unknown>;
}

/** A package that depends on `a`. */
function folderWith({ entry, installed = {}, own }: MadeUp): string {
  const folder = temporaryFolder();
  const dependencies = { a: "^1.0.0" };
  const packages = { "": { dependencies }, "node_modules/a": { version: "1.0.0", integrity, ...entry } };
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ dependencies, ...own }));
  writeFileSync(path.join(folder, "package-lock.json"), JSON.stringify({ lockfileVersion: 3, packages }));
  if (installed === null) return folder;
  mkdirSync(path.join(folder, "node_modules/a"), { recursive: true });
  const text = JSON.stringify({ name: "a", version: "1.0.0", license: "MIT", ...installed });
  writeFileSync(path.join(folder, "node_modules/a/package.json"), text);
  return folder;
}

test("what this package is installed with is in order", () => {
  const { code, out, err } = audit("--offline");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(/\d+ packages: each with its sha512/);
});

test.each(["MIT", "(MIT OR GPL-3.0)", "(GPL-3.0 OR MIT)", "MIT AND ISC", "(MIT AND (GPL-2.0 OR ISC))"])(
  "the licence %s is taken",
  (license) => expect(audit("--offline", folderWith({ installed: { license } })).code).toBe(0),
);

test.each([
  "GPL-3.0",
  "MIT AND GPL-3.0",
  "SEE LICENSE IN x",
  "",
  "(MIT",
  "MIT OR",
  "MIT ISC",
  undefined,
  { type: "MIT" },
])("the licence %j is not on the list", (license) => {
  const { code, err } = audit("--offline", folderWith({ installed: { license } }));
  expect(code).toBe(1);
  expect(err).toMatch(/node_modules\/a: licence .* is not on the list/);
});

test.each<[string, MadeUp, RegExp]>([
  ["no hash", { entry: { integrity: undefined } }, /no sha512/],
  ["a weak hash", { entry: { integrity: "sha1-AAAA" } }, /no sha512/],
  [
    "another registry",
    { entry: { resolved: "https://registry.npmjs.org.example/a.tgz" } },
    /comes from https:\/\/registry\.npmjs\.org\.example/,
  ],
  ["a repository", { entry: { resolved: "git+ssh://git@github.com/x/a.git#0" } }, /comes from git\+ssh/],
  ["a link", { entry: { link: true, resolved: "../a" } }, /a link to \.\.\/a/],
  ["an install script", { entry: { hasInstallScript: true } }, /has an install script/],
  ["another version than locked", { installed: { version: "1.0.1" } }, /1\.0\.1 is installed, not 1\.0\.0/],
  ["nothing installed", { installed: null }, /not installed; run npm ci/],
  [
    "a lockfile of another package.json",
    { own: { dependencies: { a: "^2.0.0" } } },
    /package\.json wants \^2\.0\.0, the lockfile \^1\.0\.0/,
  ],
])("%s is a fault", (_, madeUp, fault) => {
  const { code, err } = audit("--offline", folderWith(madeUp));
  expect(code).toBe(1);
  expect(err).toMatch(fault);
});

test("an install script that is switched off is none", () => {
  const entry = { hasInstallScript: true };
  expect(audit("--offline", folderWith({ entry, own: { allowScripts: { a: false } } })).code).toBe(0);
});

test("packages of development and optional ones of other machines have no licence to check", () => {
  for (const entry of [{ dev: true }, { optional: true }]) {
    expect(audit("--offline", folderWith({ entry, installed: null })).code).toBe(0);
  }
});
