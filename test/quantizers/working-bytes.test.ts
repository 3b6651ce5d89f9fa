import { describe, expect, test } from "vitest";
import { calibratedQuantizers } from "../../src/quantizers/registry.js";

const linear = (rows: number, columns: number) => ({ rows, columns, attention: null });

/** Of a method with its usual options. */
function workingBytes(
  name: string,
  shapes: readonly [number, number][],
  tokens: number,
  options = {},
): number {
  const found = calibratedQuantizers.find((each) => each.name === name);
  if (found === undefined) throw new RangeError(`no ${name}`);
  const linears = shapes.map(([rows, columns]) => linear(rows, columns));
  return found.workingBytes(linears, tokens, found.options.parse(options));
}

describe.each(calibratedQuantizers.map(({ name }) => name))("%s states what it works with", (name) => {
  test("more for wider and for more linears, never less for more text", () => {
    const one = workingBytes(name, [[512, 512]], 1024);
    expect(one).toBeGreaterThanOrEqual(512 * 512);
    expect(workingBytes(name, [[512, 1024]], 1024)).toBeGreaterThan(one);
    expect(
      workingBytes(
        name,
        [
          [512, 512],
          [512, 512],
        ],
        1024,
      ),
    ).toBeGreaterThanOrEqual(one);
    expect(workingBytes(name, [[512, 512]], 4096)).toBeGreaterThanOrEqual(one);
  });
});

describe("known answers", () => {
  const mebibyte = 2 ** 20;

  test("error compensation: four matrices of moments in float64, 8 MiB each at K = 1,024", () => {
    expect(workingBytes("gptq", [[1024, 1024]], 2048)).toBe(32 * mebibyte);
  });

  test("error compensation of a tall linear: two of them, and the weights in float64 and transposed", () => {
    expect(workingBytes("gptq", [[8192, 1024]], 2048)).toBe(16 * mebibyte + 12 * 8 * mebibyte);
  });

  test("aimed at the float model: the aims beside", () => {
    const own = workingBytes("gptq", [[1024, 1024]], 2048);
    expect(workingBytes("gptq", [[1024, 1024]], 2048, { aim: "float" })).toBe(44 * mebibyte);
    expect(own).toBeLessThan(44 * mebibyte);
  });

  test("co-quantization: tables and what outputs lack, of at most 8,192 tokens", () => {
    const all = workingBytes("co-quantization", [[4096, 512]], 8192);
    expect(workingBytes("co-quantization", [[4096, 512]], 65536)).toBe(all);
    // weights, two moments, sample; 256 positions × 8 blocks × 64 × 16 entries thrice; outputs of 8,192 and twice 1,024 tokens
    expect(all).toBe(8 * mebibyte + 4 * mebibyte + 16 * mebibyte + 24 * mebibyte + 16 * 10240 * 1024);
  });
});
