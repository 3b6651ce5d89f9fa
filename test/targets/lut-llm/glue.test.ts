import { describe, expect, test } from "vitest";
import { LuthierError } from "../../../src/error.js";
import type { Rope } from "../../../src/model/rope.js";
import { rotaryTables } from "../../../src/model/rope.js";
import { kernelGlue } from "../../../src/targets/lut-llm/glue.js";
import { type Matrix, matrix } from "../../../src/tensor/matrix.js";
import { furthestApart } from "../../model/furthest-apart.js";
import { bits } from "../../model/generated-checkpoint.js";

/*
 * What the kernel computes between linears, held against known answers of its constants, against the formulas in float64,
 * and bit for bit against its loops (gqa/gqa.h and rms_norm/rms_norm.h of LUT-FPGA/LUT-LLM at e457a67), written down again
 * here step by step.
 */

const f = Math.fround;

const random = (rows: number, columns: number, seed: number, scale = 1): Matrix =>
  matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, (_, i) => scale * (bits(seed, i) / 32768 - 1)),
  );

describe("SiLU is nine straight lines", () => {
  const gate = async (x: number) => (await kernelGlue.gatedActivation(row([x]), row([1]))).data[0];

  // The ends of each segment: slope · x + intercept, worked out by hand from the table of silu/silu.h.
  test.each([
    [-100, 0],
    [-8.5, 0],
    [-8, 8 * 0.017316 - 0.141207],
    [-4, 4 * 0.083231 - 0.404867],
    [-2, 2 * 0.030536 - 0.299477],
    [-1, -0.268941],
    [-0.5, -0.1344705],
    [0, 0],
    [0.5, 0.3655295],
    [1, 1.030536 - 0.299477],
    [2, 2 * 1.083231 - 0.404867],
    [3.5, 3.5 * 1.083231 - 0.404867],
    [4, 4],
    [20, 20],
  ])("at %f it is %f", async (x, expected) => {
    expect(await gate(x)).toBeCloseTo(expected, 6);
  });

  test("product and sum are rounded to float32 each", async () => {
    const [x] = Float32Array.of(2.7182817459106445);
    expect(await gate(x)).toBe(f(f(f(1.083231) * x) + f(-0.404867)));
  });

  test("is at most 0.072 from SiLU, at 4, and multiplies up", async () => {
    const x = random(1, 1000, 1, 12);
    const up = random(1, 1000, 2);
    const { data } = await kernelGlue.gatedActivation(x, up);
    const apart = data.map((value, i) => value / up.data[i] - x.data[i] / (1 + Math.exp(-x.data[i])));
    expect(Math.max(...apart.map(Math.abs))).toBeLessThan(0.0722);
    expect(Math.max(...apart.map(Math.abs))).toBeGreaterThan(0.06);
  });
});

describe("rmsNorm", () => {
  test("is x / sqrt(mean(x²) + epsilon) · weight", async () => {
    const [x, weight] = [random(3, 96, 3), random(1, 96, 4).data];
    const { data } = await kernelGlue.rmsNorm(x, weight, 1e-3);
    const expected = [...data.keys()].map((i) => {
      const of = x.data.subarray(i - (i % 96), i - (i % 96) + 96);
      const root = Math.sqrt(of.reduce((sum, value) => sum + value * value, 0) / 96 + 1e-3);
      return (x.data[i] / root) * weight[i % 96];
    });
    expect(furthestApart(data, expected)).toBeLessThan(1e-6);
  });

  test("adds the squares as the kernel does: trees of 32, one after another", async () => {
    const x = random(4, 2048, 5, 3);
    const ones = new Float32Array(2048).fill(1);
    const { data } = await kernelGlue.rmsNorm(x, ones, 1e-6);
    for (let t = 0; t < 4; t++) {
      let variance = f(0);
      for (let j = 0; j < 2048 / 32; j++) {
        const v = Array.from({ length: 32 }, (_, k) => f(x.data[t * 2048 + j * 32 + k] ** 2));
        for (const half of [16, 8, 4, 2]) for (let k = 0; k < half; k++) v[k] = f(v[k] + v[k + half]);
        variance = f(variance + f(v[0] + v[1]));
      }
      const inverse = f(1 / f(Math.sqrt(f(f(variance * f(1 / 2048)) + f(1e-6)))));
      expect(data.subarray(t * 2048, (t + 1) * 2048)).toEqual(
        x.data.subarray(t * 2048, (t + 1) * 2048).map((value) => value * f(inverse * 1)),
      );
    }
  });
});

test("add rounds each sum", async () => {
  const [a, b] = [random(2, 8, 6), random(2, 8, 7)];
  expect((await kernelGlue.add(a, b)).data).toEqual(a.data.map((value, i) => f(value + b.data[i])));
});

describe("attention", () => {
  const rope = (rotatedSize: number): Rope => ({
    rotatedSize,
    theta: 10_000,
    contextLength: 64,
    scaling: null,
  });
  const input = (heads: number, keyValueHeads: number, headSize: number, length: number, scale = 1) => ({
    ...{ heads, keyValueHeads, headSize, length },
    query: random(2 * length, heads * headSize, 11, scale),
    key: random(2 * length, keyValueHeads * headSize, 12, scale),
    value: random(2 * length, keyValueHeads * headSize, 13),
    rope: rope(headSize),
    norms: null,
    window: null,
  });

  test.each([
    [1, 1, 32, 1],
    [4, 2, 64, 19],
    [6, 2, 32, 33],
  ])(
    "of %i heads on %i, of %i elements, %i tokens, is softmax(q · k / √d) · v of rotated q and k",
    async (...shape) => {
      const attention = input(...shape);
      const { data } = await kernelGlue.attention(attention);
      expect(furthestApart(data, plainAttention(attention))).toBeLessThan(2e-6);
    },
  );

  test.each([
    [4, 2, 64, 19],
    [2, 1, 128, 40],
  ])("of %i heads on %i, of %i elements, %i tokens, has the bits of the kernel's loops", async (...shape) => {
    const attention = input(...shape);
    expect((await kernelGlue.attention(attention)).data).toEqual(kernelAttention(attention));
  });

  test("leaves norms of queries and keys out", async () => {
    const attention = input(2, 1, 32, 5);
    const norms = { query: random(1, 32, 1).data, key: random(1, 32, 2).data, epsilon: 1e-6 };
    const [with_, without] = [
      await kernelGlue.attention({ ...attention, norms }),
      await kernelGlue.attention(attention),
    ];
    expect(with_.data).toEqual(without.data);
  });

  test("is refused, with a way out, where the exponentials leave float32: no largest score is subtracted", async () => {
    const attention = input(1, 1, 32, 9, 40);
    await expect(kernelGlue.attention(attention)).rejects.toThrow(/head 0, token \d.*add up to (0|Infinity)/);
    const error = await kernelGlue.attention(attention).catch((caught) => caught);
    expect(error).toBeInstanceOf(LuthierError);
    expect(error.fix).toContain("fidelity: linears");
  });

  test("with heads of 128 scales scores by the kernel's constant", () => {
    expect(f(1 / Math.sqrt(128))).toBe(f(0.0883883476));
  });
});

function row(values: readonly number[]): Matrix {
  return matrix(1, values.length, Float32Array.from(values));
}

type Attention = Parameters<typeof kernelGlue.attention>[0];

/** Queries or keys of one head at a token, rotated, in float64. */
function rotated(x: Matrix, row: number, first: number, { headSize, rope, length }: Attention): number[] {
  const half = headSize / 2;
  const position = row % length;
  const of = (i: number) => x.data[row * x.columns + first + i];
  return Array.from({ length: headSize }, (_, i) => {
    const angle = position * rope!.theta ** ((-2 * (i % half)) / headSize);
    const other = i < half ? -of(i + half) : of(i - half);
    return of(i) * Math.cos(angle) + other * Math.sin(angle);
  });
}

function plainAttention(attention: Attention): number[] {
  const { query, key, value, heads, keyValueHeads, headSize, length } = attention;
  return Array.from({ length: query.data.length }, (_, at) => {
    const token = Math.floor(at / query.columns);
    const head = Math.floor((at % query.columns) / headSize);
    const first = Math.floor(head / (heads / keyValueHeads)) * headSize;
    const own = rotated(query, token, head * headSize, attention);
    const weights: number[] = [];
    for (let k = token - (token % length); k <= token; k++) {
      const dot = rotated(key, k, first, attention).reduce((sum, x, i) => sum + x * own[i], 0);
      weights.push(Math.exp(dot / Math.sqrt(headSize)));
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const column = first + (at % headSize);
    return weights.reduce((sum, weight, i) => {
      return sum + (weight / total) * value.data[(token - (token % length) + i) * value.columns + column];
    }, 0);
  });
}

/** gqa.h: blocks of 16 keys, tokens filled up to whole blocks, keys after the query weighted 0. */
function kernelAttention({ query, key, value, heads, keyValueHeads, headSize, length, rope }: Attention) {
  const out = new Float32Array(query.data.length);
  const blocks = Math.ceil(length / 16);
  const { cosine, sine } = rotaryTables(rope!, length);
  const half = headSize / 2;
  for (let first = 0; first < query.rows; first += length) {
    const turned = (x: Matrix, token: number, column: number) =>
      Array.from({ length: headSize }, (_, i) => {
        if (token >= length) return 0;
        const at = (first + token) * x.columns + column;
        const angle = token * half + (i % half);
        const c = f(x.data[at + i] * cosine[angle]);
        return i < half
          ? f(c - f(x.data[at + i + half] * sine[angle]))
          : f(c + f(x.data[at + i - half] * sine[angle]));
      });
    for (let head = 0; head < heads; head++) {
      const group = Math.floor(head / (heads / keyValueHeads)) * headSize;
      const keys = Array.from({ length: blocks * 16 }, (_, token) => turned(key, token, group));
      for (let i = 0; i < length; i++) {
        const q = turned(query, i, head * headSize);
        const buffer: number[] = [];
        let sum = f(0);
        for (let j = 0; j < blocks; j++) {
          const exponentials: number[] = [];
          for (let jj = 0; jj < 16; jj++) {
            const r = new Array<number>(32).fill(0);
            for (let k = 0; k < headSize / 32; k++) {
              for (let kk = 0; kk < 32; kk++) {
                r[kk] = f(r[kk] + f(q[k * 32 + kk] * keys[j * 16 + jj][k * 32 + kk]));
              }
            }
            for (let k = 1; k < 8; k++) for (const kk of [0, 8, 16, 24]) r[kk] = f(r[kk] + r[kk + k]);
            const score = f(f(f(r[0] + r[8]) + r[16]) + r[24]);
            const isLater = i < j * 16 + jj;
            exponentials.push(isLater ? 0 : f(Math.exp(f(score * f(1 / Math.sqrt(headSize))))));
          }
          buffer.push(...exponentials);
          for (const width of [8, 4, 2]) {
            for (let k = 0; k < width; k++) exponentials[k] = f(exponentials[k] + exponentials[k + width]);
          }
          sum = f(sum + f(exponentials[0] + exponentials[1]));
        }
        const inverse = f(1 / sum);
        for (let d = 0; d < headSize; d++) {
          const r = new Array<number>(16).fill(0);
          for (let k = 0; k < blocks * 16; k++) {
            const v = k < length ? value.data[(first + k) * value.columns + group + d] : 0;
            r[k % 16] = f(r[k % 16] + f(f(buffer[k] * inverse) * v));
          }
          for (let k = 1; k < 8; k++) for (const kk of [0, 8]) r[kk] = f(r[kk] + r[kk + k]);
          out[(first + i) * query.columns + head * headSize + d] = f(r[0] + r[8]);
        }
      }
    }
  }
  return out;
}
