import path from "node:path";

/* What models and recipes are called in titles; where they lie stands elsewhere. */

/** A checkpoint in the hub's cache by its id, any other by its folder's name. */
export function modelName(model: string): string {
  const cached = /models--([^/\\]+)--([^/\\]+)[/\\]snapshots/.exec(model);
  return cached ? `${cached[1]}/${cached[2]}` : path.basename(model);
}

/** A shipped recipe by its name, a file by its own; one that a search wrote by its folder's too. */
export function recipeName(recipe: string): string {
  const { dir, name, ext } = path.parse(recipe);
  if (!/^\.ya?ml$/.test(ext)) return recipe;
  return name === "recipe" && dir !== "" ? `${path.basename(dir)}/${name}` : name;
}
