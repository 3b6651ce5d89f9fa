// Holds the one-way imports of docs/architecture.md: within src a folder imports only from floors below it.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const floors = [
  "tensor",
  "kernels",
  "checkpoint",
  "schemes",
  "quantizers",
  "model",
  "calibration",
  "transforms",
  "targets",
  "evaluation",
  "recipe",
  "pipeline",
  "search",
  "report",
];

const root = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "..");
const files = ["src", "cli"].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name)),
);

const faults = [];
for (const file of files) {
  const from = path.relative(root, file).split(path.sep);
  for (const [, specifier] of readFileSync(file, "utf8").matchAll(/from\s+"(\.[^"]+)"/g)) {
    const to = path.relative(root, path.resolve(path.dirname(file), specifier)).split(path.sep);
    const fault = faultOf(from, to);
    if (fault) faults.push(`${from.join("/")}: imports ${specifier}: ${fault}`);
  }
}

function faultOf(from, to) {
  if (from[0] === "cli") return null;
  if (to[0] === "cli") return "nothing imports cli";
  if (from.length === 2) return null; // src/index.ts, the public entry
  if (to.length === 2)
    return ["error.js", "nearest.js", "package.js"].includes(to[1])
      ? null
      : "only the public entry may sit above the floors";
  const [here, there] = [floors.indexOf(from[1]), floors.indexOf(to[1])];
  if (here < 0) return `src/${from[1]} is not a floor: add it to scripts/lint-floors.mjs`;
  return there <= here ? null : `${to[1]} is above ${from[1]}`;
}

if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}
console.log(`floors: ${files.length} files import downwards only`);
