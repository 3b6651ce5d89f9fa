import { createRequire } from "node:module";
import { packagePath } from "../package.js";

/** Of this package, and of what numbers may depend on. */
export function versions(): {
  readonly luthier: string;
  readonly node: string;
  readonly "onnxruntime-node": string;
} {
  const require = createRequire(import.meta.url);
  const versionIn = (file: string) => (require(file) as { readonly version: string }).version;
  return {
    luthier: versionIn(packagePath("package.json")),
    node: process.versions.node,
    "onnxruntime-node": versionIn("onnxruntime-node/package.json"),
  };
}
