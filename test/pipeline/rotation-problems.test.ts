import { describe, expect, test } from "vitest";
import { describeModel } from "../../src/model/model.js";
import { rotationProblems } from "../../src/pipeline/rotation-problems.js";
import { llamaVariants } from "../model/llama-variants.js";

function describing(name: string) {
  const { config, tensors } = llamaVariants[name];
  return describeModel(config, (tensor) => tensors[tensor]);
}

const llama = describing("llama, biases everywhere");
const hadamard = { transform: "hadamard" };
const online = { transform: "hadamard", online: true };
const [pairing, foldNorms, awq] = ["pairing", "fold-norms", "awq"].map((transform) => ({ transform }));
const linearsOf = (...transforms: readonly { readonly transform: string }[]) =>
  rotationProblems(llama, transforms).map(({ linear }) => linear);

test("nothing is asked of recipes without a rotation", () => {
  expect(
    rotationProblems(describing("bitnet, norms within its layers and a squared ReLU"), [pairing]),
  ).toEqual([]);
});

describe("beside other transforms", () => {
  test("channels are not chosen or scaled before they are mixed", () => {
    expect(linearsOf(pairing, hadamard)).toEqual(["transform pairing"]);
    expect(linearsOf(foldNorms, awq, hadamard)).toEqual(["transform awq"]);
    expect(linearsOf(foldNorms, hadamard, pairing, awq)).toEqual([]);
  });

  test("after a rotation that is computed with the linears there is no other transform", () => {
    expect(linearsOf(online, foldNorms, pairing)).toEqual(["transform fold-norms", "transform pairing"]);
    expect(linearsOf(foldNorms, online)).toEqual([]);
  });
});

test("norms within a layer are named, with the linears behind them", () => {
  const problems = rotationProblems(describing("bitnet, norms within its layers and a squared ReLU"), [
    hadamard,
  ]);
  expect(problems[0]).toEqual({
    linear: "model.layers.0.self_attn.o_proj",
    reason: "its input comes out of a norm of its own (attn_sub_norm), whose channels cannot be rotated",
    fix: "remove hadamard from `transforms`",
  });
  expect(new Set(problems.map(({ linear }) => linear.split(".").at(-1)))).toEqual(
    new Set(["o_proj", "down_proj"]),
  );
});
