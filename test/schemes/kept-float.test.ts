import { expect, test } from "vitest";
import { keepFloat, keptFromBytes, keptTensor, losslessDtype } from "../../src/schemes/kept-float.js";
import { matrix } from "../../src/tensor/matrix.js";

test("the dtype is the least that changes no value", () => {
  expect(losslessDtype(Float32Array.of(1, -0.5, 3.0e38, 1e-40 * 0))).toBe("F32"); // 3.0e38 has more digits
  expect(losslessDtype(Float32Array.of(1, -0.5, 2 ** 100))).toBe("BF16");
  expect(losslessDtype(Float32Array.of(1, 1 + 2 ** -10, -65504))).toBe("F16");
  expect(losslessDtype(Float32Array.of(1, 1 + 2 ** -10, 65536))).toBe("F32");
  expect(losslessDtype(Float32Array.of(0.1))).toBe("F32");
});

test.each([
  ["BF16", [1.5, -2, 2 ** 100], [0xc0, 0x3f, 0x00, 0xc0, 0x80, 0x71]],
  ["F16", [1.5, -2, 65504], [0x00, 0x3e, 0x00, 0xc0, 0xff, 0x7b]],
  ["F32", [1.5, 0.1], [0, 0, 0xc0, 0x3f, 0xcd, 0xcc, 0xcc, 0x3d]],
] as const)("%s bytes are those of the format, and read back", (dtype, values, bytes) => {
  const kept = keepFloat(matrix(1, values.length, Float32Array.from(values)), dtype);
  expect([...keptTensor(kept).bytes]).toEqual(bytes);
  expect(
    keptFromBytes({ scheme: "float", rows: 1, columns: values.length, dtype }, Uint8Array.from(bytes)),
  ).toEqual(kept);
});
