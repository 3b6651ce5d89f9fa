import { describe, expect, test } from "vitest";
import {
  activationFault,
  activationScheme,
  describeActivation,
  isPerToken,
  quantizeToken,
  quantizeTokenToInt16,
} from "../../src/schemes/activation.js";
import type { ActivationScheme } from "../../src/schemes/scheme.js";

test("INT16 tokens are quantized by their largest magnitude, half to even", () => {
  expect([...quantizeTokenToInt16(Float32Array.of(2, 1, -1, 0.5)).codes]).toEqual([
    32767, 16384, -16384, 8192,
  ]);
});

test("no token reaches the least code of its width", () => {
  for (const most of [1e-6, 0.3, 1, 1e30]) {
    const x = Float32Array.of(-most, most);
    expect(Math.max(...quantizeToken(x).codes.map(Math.abs))).toBeLessThanOrEqual(127);
    expect(Math.max(...quantizeTokenToInt16(x).codes.map(Math.abs))).toBeLessThanOrEqual(32767);
  }
});

describe("a file's activation scheme", () => {
  const parses = (value: unknown) => activationScheme.safeParse(value).success;

  test("says what shares a scale, and with one for everything which", () => {
    expect(parses({ scheme: "int6", per: 128 })).toBe(true);
    expect(parses({ scheme: "int4", per: "token" })).toBe(true);
    expect(parses({ scheme: "int8", per: "tensor", largest: 3.5 })).toBe(true);
  });

  test.each([
    { scheme: "int8", per: "tensor" },
    { scheme: "int8", per: "tensor", largest: -1 },
    { scheme: "int8", per: "tensor", largest: Number.NaN },
    { scheme: "int8", per: "token", largest: 1 },
    { scheme: "int8", per: 0 },
    { scheme: "int8", per: 1.5 },
    { scheme: "int5", per: "token" },
    { scheme: "int8" },
  ])("%o is none", (value) => expect(parses(value)).toBe(false));
});

test("a scheme in a few words", () => {
  const names: [ActivationScheme, string][] = [
    [{ scheme: "float" }, "float"],
    [{ scheme: "int8", per: "token" }, "int8 per token"],
    [{ scheme: "int6", per: 128 }, "int6 per 128 inputs"],
    [{ scheme: "int8", per: "tensor" }, "int8 per tensor"],
    [{ scheme: "centroids", vector: 2, centroids: 64 }, "centroids of 2, 64 each"],
  ];
  for (const [activation, name] of names) expect(describeActivation(activation)).toBe(name);
});

test("hardware with a scale a token takes its widths and no other scheme", () => {
  expect(isPerToken({ scheme: "int8", per: "token" }, "int8", "int16")).toBe(true);
  for (const other of [
    { scheme: "int4", per: "token" },
    { scheme: "int8", per: 128 },
    { scheme: "int8", per: "tensor", largest: 1 },
    { scheme: "float" },
  ] as const)
    expect(isPerToken(other, "int8", "int16")).toBe(false);
});

test("a group has to divide the inputs", () => {
  expect(activationFault(256, { scheme: "int8", per: 128 })).toBe(null);
  expect(activationFault(192, { scheme: "int8", per: 128 })).toBe(
    "groups of 128 activations do not divide its 192 inputs",
  );
  expect(activationFault(192, { scheme: "int8", per: "token" })).toBe(null);
});
