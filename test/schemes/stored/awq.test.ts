import { describe, expect, test } from "vitest";
import { awq } from "../../../src/schemes/stored/awq.js";
import { outlineOf } from "../../../src/schemes/weights.js";
import type { Tensors } from "../../../src/tensor/tensor.js";
import { computedScheme, storedCases } from "./computed.js";
import { floats, integers, sourceOf } from "./stored-source.js";

const name = "model.layers.0.mlp.up_proj";
const config = { quant_method: "awq", bits: 4, group_size: 32, version: "gemm", zero_point: true };

async function open(tensors: Tensors, changes: object = {}) {
  return (await awq.open(sourceOf({ [name]: tensors }), { ...config, ...changes }, "config.json")).get(name)!;
}

describe.each(storedCases("awq"))("group $group, packed by AutoAWQ", ({ tensors, ...shape }) => {
  test("is read as the scheme that went in", async () => {
    const linear = await open(tensors);
    expect(await linear.scheme()).toEqual(computedScheme(shape));
    expect(await linear.outline()).toEqual(outlineOf(computedScheme(shape)));
  });
});

test("the nibbles of a word are the outputs 0 2 4 6 1 3 5 7", async () => {
  const linear = await open({
    qweight: integers([0x76543210], [1, 1]),
    qzeros: integers([0], [1, 1]),
    scales: floats(Array(8).fill(1), [1, 8]),
  });
  expect([...(await linear.scheme()).codes]).toEqual([0, 4, 1, 5, 2, 6, 3, 7]);
});

describe("is refused, by name:", () => {
  const [{ tensors }] = storedCases("awq");

  test.each([
    [{ version: "gemv" }, "the AWQ version is gemv"],
    [{ bits: 8 }, "bits"],
    [{ version: undefined, checkpoint_format: "marlin" }, "the AWQ version is marlin"],
  ])("a configuration with %o", async (changes, message) => {
    await expect(open(tensors, changes)).rejects.toThrow(message);
  });

  test.each([
    ["codes of another dtype", { qweight: floats(Array(384).fill(0), [96, 4]) }, `${name}.qweight is F32`],
    [
      "zero points of other outputs",
      { qzeros: integers([1, 2, 3], [3, 1]) },
      `${name}.qzeros has the shape [3, 1]`,
    ],
    [
      "groups that do not divide",
      { scales: floats(Array(160).fill(1), [5, 32]), qzeros: integers(Array(20).fill(0), [5, 4]) },
      `${name}.scales has 5 groups for 96 inputs`,
    ],
  ])("%s", async (_, changes, message) => {
    await expect(open({ ...tensors, ...changes } as Tensors)).rejects.toThrow(message);
  });
});
