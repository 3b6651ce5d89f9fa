import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { packagePath } from "../../../src/package.js";
import { parseDevice } from "../../../src/recipe/device.js";
import { parseRecipe } from "../../../src/recipe/parse.js";
import { mutateText } from "../mutate-text.js";
import type { FuzzedParser } from "../parser.js";

/** The shipped files of a folder, as people write them, changed. */
function yamlParser(
  name: string,
  folder: string,
  parse: (text: string, file: string) => unknown,
): FuzzedParser {
  return {
    name,
    covers: [
      "recipe/parse-yaml",
      ...(name === "recipe" ? ["recipe/parse", "recipe/schema"] : ["recipe/device"]),
    ],
    async open() {
      const files = (await readdir(packagePath(folder))).filter((file) => file.endsWith(".yaml")).sort();
      const seeds = await Promise.all(
        files.map(async (file) => ({ file, bytes: await readFile(packagePath(path.join(folder, file))) })),
      );
      return {
        seeds,
        folder: null,
        mutate: ({ file, bytes }, others, chance) => ({
          file,
          bytes: mutateText(bytes, chance.oneOf(others).bytes, chance),
        }),
        read: ({ file, bytes }) => parse(Buffer.from(bytes).toString("utf8"), file),
        async close() {},
      };
    },
  };
}

export const recipe = yamlParser("recipe", "recipes", parseRecipe);
export const device = yamlParser("device", "devices", parseDevice);
