import path from "node:path";
import { openKernels } from "../../../src/kernels/open.js";
import { openPack, packFolder, readManifest } from "../../../src/pipeline/pack-files.js";
import { targets } from "../../../src/targets/registry.js";
import type { Target } from "../../../src/targets/target.js";
import { matrix } from "../../../src/tensor/matrix.js";
import { parserInFolder } from "../in-folder.js";
import { mutateBytes } from "../mutate-bytes.js";
import { mutateJson } from "../mutate-json.js";
import { mutateSafetensors } from "../mutate-safetensors.js";
import { samplesIn, writeTinyRun } from "../tiny-run.js";

const kernels = openKernels({ threads: 1 });
const linear = "model.layers.0.self_attn.q_proj";

/** Layouts that a target has besides its typical one. */
const variants: Readonly<Record<string, Readonly<Record<string, { parameters?: object; rule?: object }>>>> = {
  tellme: { packets: { parameters: { image: "packets" } }, uram: { parameters: { image: "uram" } } },
  gguf: { q8: { parameters: { type: "q8_0" } } },
  "t-mac": { float16: { parameters: { float: "float16", aggregation: "fast" } } },
  "bitnet-cpp": { tl1: { parameters: { kernel: "tl1" } }, arm: { parameters: { kernel: "i2_s-arm" } } },
};

const layouts = targets.flatMap((target) => [
  { name: target.name, target, rule: target.typical, parameters: {} },
  ...Object.entries(variants[target.name] ?? {}).map(
    ([variant, { parameters = {}, rule = target.typical }]) => ({
      ...{ name: `${target.name}-${variant}`, target, rule, parameters },
    }),
  ),
]);

/** Manifest and data of a pack of each target, read as `verify` and the engine read them. */
export const packs = layouts.map(({ name, target, rule, parameters }) =>
  parserInFolder({
    name: `pack-${name}`,
    covers: ["pipeline/pack-files", "pipeline/record", ...ownFiles(target)],
    async fill(folder) {
      await writeTinyRun(folder, target.name, rule, parameters);
      const pack = packFolder("run", target.name);
      const isWanted = (file: string) =>
        file === path.join(pack, "manifest.json") ||
        (file.startsWith(pack) &&
          (!file.includes("linears/") || file.includes(linear)) &&
          !file.includes("tokenizer"));
      const samples = await samplesIn(folder, isWanted);
      return samples.filter(({ bytes }) => bytes.length < 2 ** 22);
    },
    mutation: (file) =>
      file.endsWith(".json") ? mutateJson : file.endsWith(".safetensors") ? mutateSafetensors : mutateBytes,
    async read(folder) {
      const pack = packFolder(path.join(folder, "run"), target.name);
      const { linears } = await readManifest(pack);
      const opened = await openPack(pack, target);
      try {
        const entry = linears.find(({ name }) => name === linear);
        if (entry === undefined) return;
        const packed = await opened.read(entry);
        target.unpack(packed);
        const product = target.open(packed, kernels);
        const { columns } = packed.weight;
        if ("multiply" in product)
          await product.multiply(matrix(1, columns, new Float32Array(columns).fill(0.5)));
      } finally {
        await opened.close();
      }
    },
  }),
);

function ownFiles({ name }: Target): readonly string[] {
  const more: Readonly<Record<string, readonly string[]>> = {
    onnx: ["layout", "container", "read-model"],
    gguf: ["layout", "container"],
    "lut-llm": ["layout", "container", "read-images", "images"],
    tellme: ["layout", "image"],
    "t-mac": ["layout", "scales"],
  };
  return [name, ...(more[name] ?? ["layout"])].map((file) => `targets/${name}/${file}`);
}
