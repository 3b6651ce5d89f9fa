/** The folder of real models and data that these tests need; see the variable's name in the error. */
export function assetsFolder(): string {
  const folder = process.env.LUTHIER_ASSETS;
  if (folder) return folder;
  throw new Error("these tests need real models and data: set LUTHIER_ASSETS to their folder");
}
