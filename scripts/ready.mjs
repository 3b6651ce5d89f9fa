// Makes a clone ready to run: installs what package-lock.json says unless that is done, then builds.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const lock = path.join(root, "package-lock.json");
const installed = path.join(root, "node_modules", ".package-lock.json");

const major = Number(process.versions.node.split(".")[0]);
if (major < 20) {
  console.error(`Luthier needs Node.js 20 or newer; this is ${process.versions.node}`);
  process.exit(1);
}
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}
run("npm", ["run", "--silent", "build"]);

function run(command, options) {
  const { status } = spawnSync(command, options, {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) process.exit(status ?? 1);
}
