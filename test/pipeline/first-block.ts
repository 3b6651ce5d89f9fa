import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { openTensors } from "../../src/checkpoint/tensors.js";
import { bundledModel } from "./run.js";

/** Writes the bundled model without its blocks after the first: real weights, a quarter of them. */
export async function writeFirstBlock(folder: string): Promise<string> {
  const config = JSON.parse(readFileSync(path.join(bundledModel, "config.json"), "utf8"));
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "config.json"), JSON.stringify({ ...config, num_hidden_layers: 1 }));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(path.join(bundledModel, file), path.join(folder, file));
  const source = await openTensors([path.join(bundledModel, "model.safetensors")]);
  const tensors = [...source.tensors]
    .filter(([name]) => !/^model\.layers\.[^0]/.test(name))
    .map(async ([name, { dtype, shape }]) => ({ name, dtype, shape, bytes: await source.read(name) }));
  await writeSafetensors(path.join(folder, "model.safetensors"), await Promise.all(tensors), {});
  await source.close();
  return folder;
}
