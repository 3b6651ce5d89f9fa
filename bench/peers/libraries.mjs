// The shared libraries of the llama.cpp build that npm brings (Linux x64): `npm ci --prefix bench/peers --ignore-scripts`.
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const koffi = createRequire(import.meta.url)("koffi");

export const folder = fileURLToPath(
  new URL("node_modules/@node-llama-cpp/linux-x64/bins/linux-x64/", import.meta.url),
);

/** The library whose file name begins so; a version may stand between name and `.so`. */
export function load(name) {
  const file = readdirSync(folder).find((each) => each.startsWith(name) && each.endsWith(".so"));
  return koffi.load(path.join(folder, file));
}
