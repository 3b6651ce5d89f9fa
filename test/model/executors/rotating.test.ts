import { expect, test } from "vitest";
import { openRotatingExecutor } from "../../../src/model/executors/rotating.js";
import { type Rotation, rotated } from "../../../src/schemes/rotation.js";
import { type Matrix, matrix } from "../../../src/tensor/matrix.js";
import { reference } from "../../kernels/every-path.js";

const input = matrix(2, 4, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
const rotations = new Map<string, Rotation>([
  ["o", { kind: "hadamard", size: 4 }],
  ["down", { kind: "hadamard", size: 2 }],
  ["up", { kind: "hadamard", size: 4 }],
]);

/** Gives every linear's input back, and says what it was asked for. */
function opened() {
  const asked: (readonly string[])[] = [];
  const inner = {
    async run(linears: readonly string[], given: Matrix) {
      asked.push(linears);
      return linears.map(() => given);
    },
  };
  return { asked, executor: openRotatingExecutor(inner, (name) => rotations.get(name) ?? null, reference) };
}

test("the input of a linear with a rotation is rotated, that of one without stays", async () => {
  const { executor } = opened();
  const [plain] = await executor.run(["q"], input);
  expect(plain).toBe(input);
  const [turned] = await executor.run(["o"], input);
  expect(turned).toEqual(await rotated(input, { kind: "hadamard", size: 4 }, reference));
  expect(turned.data.subarray(0, 4)).toEqual(Float32Array.of(5, -1, -2, 0));
});

test("linears of one input that are rotated alike are computed together, each output in its place", async () => {
  const { asked, executor } = opened();
  const outputs = await executor.run(["o", "q", "down", "up"], input);
  expect(asked).toEqual([["o", "up"], ["q"], ["down"]]);
  expect(outputs[3]).toEqual(outputs[0]);
  expect(outputs[1]).toBe(input);
  expect(outputs[2]).toEqual(await rotated(input, { kind: "hadamard", size: 2 }, reference));
});

test("of no tokens, as an expert may have them, nothing is rotated", async () => {
  const { executor } = opened();
  expect(await executor.run(["o"], matrix(0, 4))).toEqual([matrix(0, 4)]);
});
