import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { writeSafetensors } from "../../../src/checkpoint/safetensors.js";
import { readMatrix } from "../../../src/checkpoint/tensors.js";
import { LuthierError } from "../../../src/error.js";
import { openKernels } from "../../../src/kernels/open.js";
import { openDequantized } from "../../../src/schemes/stored/dequantized.js";
import { dequantize } from "../../../src/schemes/weights.js";
import type { Tensors } from "../../../src/tensor/tensor.js";
import { temporaryFolder } from "../../checkpoint/folder.js";
import { computedScheme, storedCases } from "./computed.js";
import { floats } from "./stored-source.js";

const kernels = openKernels({ path: "reference" });
const [, , , fourBits] = storedCases("gptq");
const linears = { "l.up": fourBits.tensors, "l.down": storedCases("gptq")[4].tensors };

async function checkpointWith(config: object, tensors: Readonly<Record<string, Tensors>>): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  const named = Object.entries(tensors).flatMap(([linear, parts]) =>
    Object.entries(parts).map(([name, tensor]) => ({ name: `${linear}.${name}`, ...tensor })),
  );
  await writeSafetensors(path.join(folder, "model.safetensors"), named);
  return folder;
}

async function opened(config: object, tensors: Readonly<Record<string, Tensors>>) {
  const checkpoint = await openDequantized(await checkpointWith(config, tensors));
  onTestFinished(() => checkpoint.close());
  return checkpoint;
}

const gptqConfig = { quantization_config: { quant_method: "gptq", bits: 4 } };

test("quantized linears are float tensors under their weights' names; what they are made of is not listed", async () => {
  const checkpoint = await opened(gptqConfig, { ...linears, norm: { weight: floats([1, 2]) } });
  expect([...checkpoint.tensors].map(([name, { dtype, shape }]) => [name, dtype, shape]).sort()).toEqual([
    ["l.down.weight", "F32", [32, 96]],
    ["l.up.weight", "F32", [32, 96]],
    ["norm.weight", "F32", [2]],
  ]);
  expect([...checkpoint.stored.keys()].sort()).toEqual(["l.down.weight", "l.up.weight"]);
  expect(checkpoint.tensorsInFiles.has("l.up.qweight")).toBe(true);
});

test("their values, whole or some rows, are those of the schemes, in whatever order they are read", async () => {
  const checkpoint = await opened(gptqConfig, linears);
  const up = dequantize(computedScheme(fourBits)).data;
  const down = dequantize(computedScheme(storedCases("gptq")[4])).data;
  const read = async (name: string, rows?: { first: number; last: number }) =>
    (await readMatrix(checkpoint, name, kernels, rows)).data;
  expect(await read("l.up.weight")).toEqual(up);
  expect(await read("l.down.weight", { first: 2, last: 5 })).toEqual(down.slice(2 * 96, 5 * 96));
  const both = await Promise.all([read("l.up.weight", { first: 31, last: 32 }), read("l.down.weight")]);
  expect(both).toEqual([up.slice(31 * 96), down]);
  await expect(read("l.up.weight", { first: 30, last: 33 })).rejects.toThrow(RangeError);
});

test("other tensors are read as they are, and a plain checkpoint has no stored linears", async () => {
  const checkpoint = await opened({}, { norm: { weight: floats([1, 2]) } });
  expect(checkpoint.stored.size).toBe(0);
  expect(new Float32Array((await checkpoint.read("norm.weight")).buffer)).toEqual(Float32Array.of(1, 2));
});

describe("is refused, with the file's name and the way out:", () => {
  test.each([
    [
      "a method that is not read",
      { quantization_config: { quant_method: "bitsandbytes" } },
      'quant_method "bitsandbytes"',
      "gptq, awq, compressed-tensors, bitnet",
    ],
    ["a method that is not named", { quantization_config: {} }, "already quantized", "original checkpoint"],
    ["codes that the configuration says nothing of", {}, "packed codes", "quantize_config.json"],
  ])("%s", async (_, config, message, fix) => {
    const folder = await checkpointWith(config, linears);
    const error = await openDequantized(folder).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(LuthierError);
    expect(error.message).toContain(message);
    expect(error.message).toContain(folder);
    expect(error.fix).toContain(fix);
  });
});
