import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { hashFile } from "../../../src/checkpoint/file-hash.js";
import {
  readInput,
  readInputs,
  type StatisticsSource,
  soundInputs,
  statisticsFolder,
  writeInput,
  writeInputs,
} from "../../../src/pipeline/statistics-files.js";
import { matrix } from "../../../src/tensor/matrix.js";
import { parserInFolder } from "../in-folder.js";
import { mutateJson } from "../mutate-json.js";
import { mutateSafetensors } from "../mutate-safetensors.js";
import type { Sample } from "../parser.js";
import { samplesIn } from "../tiny-run.js";

const source: StatisticsSource = {
  versions: { luthier: "0" },
  model: { a: "b" },
  text: null,
  transforms: [],
};
const inFolder = statisticsFolder("run", source);
const file = path.join(inFolder, "q.safetensors");
const index = path.join(inFolder, "statistics.json");

/** What calibration text said of inputs: the index, and the file of one, under the hash that it has when it is read. */
export const statistics = parserInFolder({
  name: "statistics",
  covers: ["pipeline/statistics-files"],
  async fill(folder) {
    const [mean, largest] = [Float32Array.of(1, -1, 0), Float32Array.of(2, 3, 0)];
    const second = matrix(3, 3, Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 0));
    const own = path.join(folder, inFolder);
    const measured = { tokens: 5, mean, meanMagnitude: largest, meanSquare: largest, largest, second };
    await writeInputs(own, source, [await writeInput(own, ["q", "k"], measured)]);
    sound = await samplesIn(folder, () => true);
    return sound;
  },
  mutation: (name) => (name === index ? mutateJson : mutateSafetensors),
  async read(folder, sample) {
    const own = path.join(folder, inFolder);
    try {
      if (sample.file === file) await reseal(folder);
      const [input] = await readInputs(own);
      if (input !== undefined) await readInput(own, input, input.second);
      await soundInputs(own, source);
    } finally {
      await mkdir(own, { recursive: true }); // what is of another source was deleted
      for (const { file, bytes } of sound) await writeFile(path.join(folder, file), bytes);
    }
  },
});

let sound: readonly Sample[] = [];

/** Gives the index the size and sha256 that the file has now, as who means harm would. */
async function reseal(folder: string): Promise<void> {
  const full = path.join(folder, index);
  const { inputs, ...head } = JSON.parse(await readFile(full, "utf8"));
  const found = await hashFile(path.join(folder, file));
  await writeFile(full, JSON.stringify({ ...head, inputs: [{ ...inputs[0], ...found }] }));
}
