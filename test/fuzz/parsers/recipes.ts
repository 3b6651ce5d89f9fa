import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { packagePath } from "../../../src/package.js";
import { parseCandidates } from "../../../src/recipe/candidates.js";
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

/** What a search may choose: lists, as in files and on the command line. */
const lists = [
  "- quantize: { method: rtn, bits: 3 }\n- quantize: { method: trit-planes }\n",
  "- quantize: { method: gptq, bits: 4, group: 64 }\n  activation: { scheme: int8 }\n",
  "[{ quantize: { method: nf4 } }, { quantize: { method: bcq, planes: 3 } }]",
];

export const candidates: FuzzedParser = {
  name: "candidates",
  covers: ["recipe/parse-yaml", "recipe/candidates"],
  async open() {
    return {
      seeds: lists.map((list, at) => ({ file: `${at}.yaml`, bytes: Buffer.from(list) })),
      folder: null,
      mutate: ({ file, bytes }, others, chance) => ({
        file,
        bytes: mutateText(bytes, chance.oneOf(others).bytes, chance),
      }),
      read: ({ file, bytes }) => parseCandidates(Buffer.from(bytes).toString("utf8"), file),
      async close() {},
    };
  },
};

export const recipe = yamlParser("recipe", "recipes", parseRecipe);
export const device = yamlParser("device", "devices", parseDevice);
