import { expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import { expectFinite } from "../../src/pipeline/quantize-stage.js";
import type { WeightScheme } from "../../src/schemes/scheme.js";

const linear = {
  name: "model.layers.0.mlp.up_proj",
  tensor: "model.layers.0.mlp.up_proj.weight",
} as Parameters<typeof expectFinite>[0];

const grid = { rows: 1, columns: 2, group: 2, scaleRows: 1 };
const codes = new Uint8Array(2);
const int = { scheme: "int", bits: 4, symmetric: true, zeroPoints: null, codes, ...grid } as const;
const signs = { scheme: "planes", alphabet: "signs", planes: 1, offset: true, ...grid } as const;
const pair = { scheme: "vectors", rows: 1, columns: 2, vector: 2, centroids: 2, blocks: 1 } as const;

test.each<[string, WeightScheme]>([
  ["a scale beyond float16", { ...int, scales: Float32Array.of(Number.POSITIVE_INFINITY) }],
  [
    "an offset",
    { ...signs, codes: Int8Array.of(1, 1), scales: Float32Array.of(1), offsets: Float32Array.of(Number.NaN) },
  ],
  [
    "a centroid",
    {
      ...{ ...pair, ids: Uint8Array.of(0), inputCodebooks: null, products: null },
      codebooks: Float32Array.of(0, 1, 2, Number.NaN),
    },
  ],
])("a linear with a value that is not finite is refused by name: %s", (_, scheme) => {
  expect(() => expectFinite(linear, scheme)).toThrow(LuthierError);
  expect(() => expectFinite(linear, scheme)).toThrow(/up_proj .* has a value that is not finite/);
});

test("a linear of finite values passes", () => {
  expectFinite(linear, { ...int, scales: Float32Array.of(2) });
});
