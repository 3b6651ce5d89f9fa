import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { writeTogether } from "../../checkpoint/atomic.js";
import { parseConfig } from "../../model/architectures/llama-config.js";
import type { WeightOutline } from "../../schemes/scheme.js";
import type { Container } from "../container.js";
import { damagedPack } from "../target.js";
import { imageFiles, writtenLinears } from "./images.js";
import { modelRefusal } from "./model-rules.js";
import { packWeight } from "./pack.js";
import type { LutLlmParameters } from "./parameters.js";
import { projectionsOf } from "./projections.js";
import { openImages } from "./read-images.js";
import { type TabledOutline, tabledOutline } from "./tabled.js";
import { imagePieces } from "./write-images.js";

const float = { scheme: "float" } as const;

/** A model as the images of the board's memory: one file a port, the blocks of the model one after another. */
export const lutLlmContainer: Container<LutLlmParameters, WeightOutline> = {
  refuse: modelRefusal,
  async write(folder, model, parameters) {
    const linears = new Map(model.linears.map((linear) => [linear.name, linear]));
    const linear = (name: string) => {
      const found = linears.get(name);
      if (found === undefined) throw new RangeError(`${name} is not quantized`); // refused before
      return found;
    };
    const projections = projectionsOf(
      parseConfig(model.config),
      (name) => tabledOutline(linear(name).weight, float) as TabledOutline, // else refused before
    );
    const files = imageFiles(parameters.ports);
    await removeOthers(folder, files);
    await writeTogether(
      folder,
      files,
      imagePieces(projections, parameters.ports, (name) => linear(name).pack()),
    );
    return { files, linears: writtenLinears(projections, parameters) };
  },
  async open(folder) {
    const images = await openImages(folder);
    return {
      async read({ weight, layout }) {
        const outline = tabledOutline(weight, float);
        if ("reason" in outline) throw damagedPack(outline.reason);
        return packWeight(await images.read(outline, layout), images.ports);
      },
      close: images.close,
    };
  },
};

/** Images of an earlier pack with other ports would be taken for this one's. */
async function removeOthers(folder: string, files: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^(tables|codebooks)\.\d+\.bin$/.test(name) && !files.includes(name))
      await rm(path.join(folder, name));
  }
}
