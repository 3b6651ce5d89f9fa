import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { LuthierError } from "../error.js";
import { nearest } from "../nearest.js";
import { packagePath } from "../package.js";
import { parseRecipe } from "./parse.js";
import type { Recipe } from "./schema.js";

export interface LoadedRecipe {
  /** The shipped recipe's name, or the file's path as given. */
  readonly name: string;
  readonly file: string;
  readonly text: string;
  readonly recipe: Recipe;
}

/** The recipe with another calibration text: a file, by its path from the working directory. */
export function calibratedOn(loaded: LoadedRecipe, file: string): LoadedRecipe {
  const { samples, length, split = "train" } = loaded.recipe.calibration ?? {};
  const calibration = { text: path.resolve(file), split, samples, length };
  return { ...loaded, recipe: { ...loaded.recipe, calibration } };
}

export function shippedRecipeNames(): Promise<readonly string[]> {
  return shippedNames("recipes");
}

/** The comment at the head of a recipe, a line each. */
export function headerOf(text: string): readonly string[] {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("#"));
  return lines
    .slice(0, end < 0 ? undefined : end)
    .filter((line) => !line.includes("yaml-language-server"))
    .map((line) => line.replace(/^# ?/, ""));
}

/**
 * A shipped recipe by its name, or a recipe file by its path.
 * @throws LuthierError (usage) when there is none, or it has a fault.
 */
export async function loadRecipe(nameOrFile: string): Promise<LoadedRecipe> {
  const { text, file } = await readShipped("recipes", "recipe", nameOrFile);
  return { name: nameOrFile, file, text, recipe: parseRecipe(text, file) };
}

/** Names of the YAML files in a folder of this package. */
export async function shippedNames(folder: string): Promise<readonly string[]> {
  const files = await readdir(packagePath(folder));
  return files
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => path.basename(file, ".yaml"))
    .sort();
}

/**
 * A YAML file of this package by its name, or any by its path.
 * @param what it is called in errors: `recipe`.
 * @throws LuthierError (usage) when there is none.
 */
export async function readShipped(folder: string, what: string, nameOrFile: string) {
  const names = await shippedNames(folder);
  const file = names.includes(nameOrFile) ? path.join(packagePath(folder), `${nameOrFile}.yaml`) : nameOrFile;
  try {
    return { file, text: await readFile(file, "utf8") };
  } catch (cause) {
    const right = nearest(nameOrFile, names);
    throw new LuthierError(
      `there is no ${what} '${nameOrFile}': neither a file nor one of ${names.join(", ")}`,
      right ? `did you mean '${right}'?` : "give a path to a YAML file, or one of those names",
      { usage: true, cause },
    );
  }
}
