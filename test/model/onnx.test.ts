import { expect, test } from "vitest";
import { encodeModel } from "../../src/model/onnx.js";
import official from "../fixtures/onnx-model.json" with { type: "json" };

test("writes the bytes that the official onnx package writes", () => {
  const model = encodeModel({
    inputs: [
      { name: "x", shape: ["tokens", 300] },
      { name: "weight", shape: [300] },
      { name: "mask", shape: ["tokens"], type: "bool" },
      { name: "ids", shape: [], type: "int64" },
    ],
    outputs: [{ name: "out", shape: ["heads", "tokens", 150] }],
    nodes: [
      {
        op: "RMSNormalization",
        inputs: ["x", "weight"],
        outputs: ["normed"],
        attributes: { axis: -1, epsilon: { float: 1e-5 } },
      },
      { op: "Reshape", inputs: ["normed", "shape"], outputs: ["split"] },
      { op: "Transpose", inputs: ["split"], outputs: ["out"], attributes: { perm: [1, 0, 2] } },
      { op: "Clip", inputs: ["out", "", "most"], outputs: ["unused"] },
      {
        op: "MatMulNBits",
        domain: "com.microsoft",
        name: "linear",
        inputs: ["x", "codes", "scales"],
        outputs: ["y"],
        attributes: { bits: 2 },
      },
    ],
    constants: { shape: [0, 2, -1], most: [2 ** 40], one: 1, angles: Float64Array.of(1, 0.1) },
    external: [
      { name: "codes", dtype: "U8", shape: [3, 2, 8], file: "model.onnx.data", offset: 0, bytes: 48 },
      { name: "scales", dtype: "F16", shape: [3, 2], file: "model.onnx.data", offset: 64, bytes: 12 },
    ],
  });
  expect(Buffer.from(model).toString("hex")).toBe(official.hex);
});
