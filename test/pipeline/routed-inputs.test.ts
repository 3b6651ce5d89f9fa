import { expect, test } from "vitest";
import { expectReached, routedInputs, tokensOf } from "../../src/pipeline/routed-inputs.js";
import { type Matrix, matrix } from "../../src/tensor/matrix.js";

async function floatOf(quantized: readonly Matrix[]): Promise<readonly Matrix[]> {
  const batches: Matrix[] = [];
  for await (const batch of routedInputs({ quantized }).float()) batches.push(batch);
  return batches;
}

test("an expert is fitted to the batches that have tokens for it, the float model's the same", async () => {
  const quantized = [matrix(0, 2), matrix(1, 2, Float32Array.of(3, 4)), matrix(0, 2)];
  expect(routedInputs({ quantized }).quantized).toEqual([quantized[1]]);
  expect(await floatOf(quantized)).toEqual([quantized[1]]);
  expect(tokensOf(quantized)).toBe(1);
});

test("where there are none, to inputs of which all are equally large and none goes with another", async () => {
  const unit = matrix(2, 2, Float32Array.of(1, 0, 0, 1));
  expect(routedInputs({ quantized: [matrix(0, 2)] }).quantized).toEqual([unit]);
  expect(await floatOf([matrix(0, 2)])).toEqual([unit]);
});

test("without tokens only what needs no measure of the input is taken", () => {
  const perTensor = { scheme: "int8", per: "tensor" } as const;
  const centroids = { scheme: "centroids", vector: 2, centroids: 64 } as const;
  for (const activation of [perTensor, centroids]) {
    expect(() => expectReached("experts.3.up_proj", activation, 0)).toThrow("reaches experts.3.up_proj");
    expect(() => expectReached("experts.3.up_proj", activation, 1)).not.toThrow();
  }
  expect(() => expectReached("experts.3.up_proj", { scheme: "int8", per: "token" }, 0)).not.toThrow();
});
