import path from "node:path";
import { openGguf, writeGguf } from "../../../src/checkpoint/gguf.js";
import { type GgmlType, type GgufValue, ggmlTypes } from "../../../src/checkpoint/gguf-header.js";
import { parserInFolder } from "../in-folder.js";
import { mutateBytes } from "../mutate-bytes.js";
import { samplesIn } from "../tiny-run.js";

/** Headers with values of every type, and tensors of every type. */
export const gguf = parserInFolder({
  name: "gguf",
  covers: ["checkpoint/gguf", "checkpoint/gguf-header", "checkpoint/gguf-cursor"],
  async fill(folder) {
    const metadata = new Map<string, GgufValue>([
      ["general.architecture", { type: "string", value: "llama" }],
      ["some.uint32", { type: "uint32", value: 7 }],
      ["some.int32", { type: "int32", value: -7 }],
      ["some.float32", { type: "float32", value: 0.5 }],
      ["some.bool", { type: "bool", value: true }],
      ["some.strings", { type: "strings", values: ["a", "", "é"] }],
      ["some.int32s", { type: "int32s", values: Int32Array.of(1, -2, 3) }],
      ["some.float32s", { type: "float32s", values: Float32Array.of(1, -2.5) }],
    ]);
    const tensors = (Object.keys(ggmlTypes) as GgmlType[]).map((type) => {
      const { size, bytes } = ggmlTypes[type];
      const chunks = async function* () {
        yield new Uint8Array(2 * bytes).fill(0x21);
      };
      return { name: `some.${type}`, type, shape: [2, size], chunks };
    });
    await writeGguf(path.join(folder, "many.gguf"), metadata, tensors);
    await writeGguf(path.join(folder, "one.gguf"), new Map(), tensors.slice(0, 1));
    await writeGguf(path.join(folder, "none.gguf"), new Map(), []);
    return samplesIn(folder, () => true);
  },
  mutation: () => mutateBytes,
  async read(folder, { file }) {
    const opened = await openGguf(path.join(folder, file));
    try {
      for (const name of opened.tensors.keys()) await opened.read(name);
    } finally {
      await opened.close();
    }
  },
});
