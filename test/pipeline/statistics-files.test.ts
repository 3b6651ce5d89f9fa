import path from "node:path";
import { expect, test } from "vitest";
import { type NamedTensor, writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { LuthierError } from "../../src/error.js";
import { readInput, writeInput } from "../../src/pipeline/statistics-files.js";
import { temporaryFolder } from "./run.js";

const vectors = ["largest", "mean", "mean_magnitude", "mean_square"];
const vector = (name: string, shape: readonly number[]): NamedTensor => ({
  ...{
    name,
    dtype: "F32",
    shape,
    bytes: new Uint8Array(4 * shape.reduce((product, length) => product * length, 1)),
  },
});
const sound = vectors.map((name) => vector(name, [3]));
const stored = {
  ...{ file: "q.safetensors", bytes: 0, sha256: "", linears: ["q"], tokens: 5 },
  second: true,
};

test("what was written of an input is read", async () => {
  const folder = temporaryFolder();
  const [mean, others] = [Float32Array.of(1, -1, 0), Float32Array.of(2, 3, 0)];
  const measured = {
    tokens: 5,
    mean,
    meanMagnitude: others,
    meanSquare: others,
    largest: others,
    second: null,
  };
  expect(await readInput(folder, await writeInput(folder, ["q"], measured), false)).toEqual(measured);
});

test.each<[string, readonly NamedTensor[], boolean]>([
  [
    "a tensor of bytes",
    [
      { ...vector("mean", []), dtype: "U8", shape: [5], bytes: new Uint8Array(5) },
      ...sound.slice(2),
      sound[0],
    ],
    false,
  ],
  ["vectors of two lengths", [vector("mean", [4]), ...sound.filter(({ name }) => name !== "mean")], false],
  ["a vector too few", sound.slice(1), false],
  ["no second moments where they are asked for", sound, true],
  ["second moments of another length", [...sound, vector("second", [3, 4])], true],
])("a file with %s is refused by its name", async (_, tensors, second) => {
  const folder = temporaryFolder();
  const file = path.join(folder, stored.file);
  await writeSafetensors(file, tensors);
  const reading = readInput(folder, stored, second);
  await expect(reading).rejects.toThrow(`${file} holds no statistics of an input`);
  await expect(reading).rejects.toBeInstanceOf(LuthierError);
});
