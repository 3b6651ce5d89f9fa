import path from "node:path";

/** A path inside the folder of real models and data. @throws when `LUTHIER_ASSETS` does not say where it is. */
export function assets(relative: string): string {
  const folder = process.env.LUTHIER_ASSETS;
  if (!folder)
    throw new Error("set LUTHIER_ASSETS to the folder of real models and data; `npm test` needs none");
  return path.join(folder, relative);
}
