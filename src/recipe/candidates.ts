import { readFile } from "node:fs/promises";
import { z } from "zod";
import { fileError } from "../checkpoint/file-error.js";
import { type Format, parseYaml } from "./parse-yaml.js";
import { candidatesSchema, isStored, type Quantizing } from "./schema.js";

const format: Format<Quantizing[]> = {
  schema: candidatesSchema,
  jsonSchema: () => z.toJSONSchema(candidatesSchema, { io: "input" }),
  whole: "the list",
  fix: "mend the candidates: a YAML list of what rules of recipes say, as `- quantize: { method: rtn, bits: 3 }`",
};

/**
 * What a search may choose for a linear: a YAML file, or a list written in its place (`[{ quantize: … }, …]`).
 * @throws LuthierError (usage) for each fault, with its line.
 */
export async function loadCandidates(listOrFile: string): Promise<readonly Quantizing[]> {
  if (listOrFile.trimStart().startsWith("[")) return parseCandidates(listOrFile, "--candidates");
  const text = await readFile(listOrFile, "utf8").catch((error) => {
    throw fileError("read", listOrFile, error);
  });
  return parseCandidates(text, listOrFile);
}

/** @param file names it in errors. @throws LuthierError (usage) for each fault, with its line. */
export function parseCandidates(text: string, file: string): readonly Quantizing[] {
  const { data, fault } = parseYaml(text, file, format);
  for (const [index, { quantize }] of data.entries())
    if (isStored(quantize)) throw fault([index], "`stored` is no quantizer that one could choose");
  return data;
}
