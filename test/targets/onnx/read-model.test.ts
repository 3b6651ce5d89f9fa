import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import { type ExternalTensor, encodeModel, type Graph } from "../../../src/model/onnx.js";
import { readModel } from "../../../src/targets/onnx/read-model.js";

const codes: ExternalTensor = {
  name: "q.codes",
  dtype: "U8",
  shape: [3, 2, 8],
  file: "model.onnx.data",
  offset: 4096,
  bytes: 48,
};
const product = {
  op: "MatMulNBits",
  domain: "com.microsoft",
  name: "q",
  inputs: ["x", "q.codes", "q.scales"],
  outputs: ["y"],
  attributes: { K: 32, N: 3, bits: 4 },
};

function modelOf(parts: Partial<Graph>): Uint8Array {
  return encodeModel({ inputs: [], outputs: [], nodes: [], ...parts });
}

test("places and products are those that were written", () => {
  const model = modelOf({
    nodes: [{ op: "Add", inputs: ["a", "b"], outputs: ["c"] }, product],
    constants: { shape: [1, 2] },
    external: [codes],
  });
  const { places, products } = readModel(model, "model.onnx.data");
  expect([...places]).toEqual([["q.codes", codes]]);
  expect(products.get("q")).toMatchObject({
    tensors: ["q.codes", "q.scales"],
    attributes: { K: 32, N: 3, bits: 4 },
  });
  expect(products.size).toBe(1);
});

describe("is refused:", () => {
  test.each<readonly [what: string, parts: Partial<Graph>, message: string]>([
    ["a tensor in another file", { external: [{ ...codes, file: "../secret" }] }, "in another file"],
    ["a tensor that is there twice", { external: [codes, codes] }, "has q.codes twice"],
    ["a product that is there twice", { nodes: [product, product] }, "has q twice"],
    ["a place before the file", { external: [{ ...codes, offset: -1 }] }, "the place -1"],
    ["a place beyond whole numbers", { external: [{ ...codes, offset: 2 ** 60 }] }, "the place"],
  ])("%s", (_, parts, message) => {
    expect(() => readModel(modelOf(parts), "model.onnx.data")).toThrow(message);
  });

  test("a model with any byte changed, or cut anywhere, unless it can still be read", () => {
    const model = modelOf({ nodes: [product], external: [codes] });
    const place = fc.integer({ min: 0, max: model.length - 1 });
    fc.assert(
      fc.property(place, fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, change, cut) => {
        const bytes = new Uint8Array(model);
        bytes[at] ^= change;
        try {
          readModel(cut ? bytes.subarray(0, at) : bytes, "model.onnx.data");
        } catch (error) {
          expect(error).toBeInstanceOf(LuthierError);
        }
      }),
    );
  });
});
