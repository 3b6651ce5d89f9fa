import { createRequire } from "node:module";
import { afterAll, describe, expect, test } from "vitest";
import type { AttentionInput } from "../../src/model/block-ops.js";
import { openOps } from "../../src/model/ops.js";
import { type Matrix, matrix, rowsOf } from "../../src/tensor/matrix.js";
import { furthestApart } from "./furthest-apart.js";
import { bits } from "./generated-checkpoint.js";

/* Each operation against its formula, written out in float64. */

const ops = openOps({ threads: 2 });
afterAll(() => ops.close());

function random(rows: number, columns: number, seed: number): Matrix {
  return matrix(
    rows,
    columns,
    Float32Array.from({ length: rows * columns }, (_, i) => bits(seed, i) / 32768 - 1),
  );
}

const at = ({ columns, data }: Matrix, row: number, column: number) => data[row * columns + column];

test("onnxruntime is loaded when an operation is first used, not before", async () => {
  const files = () => Object.keys(createRequire(import.meta.url).cache);
  expect(files().some((file) => file.includes("onnxruntime-node"))).toBe(false);
  await ops.gatedActivation(random(1, 1, 0), random(1, 1, 0), "silu");
  expect(files().some((file) => file.includes("onnxruntime-node"))).toBe(true);
});

test("rmsNorm divides each row by the root of its mean square and multiplies by the weight", async () => {
  const x = random(5, 12, 1);
  const weight = random(1, 12, 2).data;
  const expected = Array.from({ length: 5 }, (_, row) => {
    const values = [...x.data.subarray(row * 12, row * 12 + 12)];
    const root = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / 12 + 1e-3);
    return values.map((value, i) => (value / root) * weight[i]);
  });
  expect(furthestApart((await ops.rmsNorm(x, weight, 1e-3)).data, expected.flat())).toBeLessThan(1e-6);
});

test.each([null, random(1, 7, 5).data])("linear is x · Wᵀ, plus the bias %s", async (bias) => {
  const x = random(4, 9, 3);
  const weight = random(7, 9, 4);
  const expected = matrix(4, 7);
  for (let t = 0; t < 4; t++) {
    for (let n = 0; n < 7; n++) {
      let sum = bias?.[n] ?? 0;
      for (let k = 0; k < 9; k++) sum += at(x, t, k) * at(weight, n, k);
      expected.data[t * 7 + n] = sum;
    }
  }
  const out = await ops.linear(x, weight, bias);
  expect([out.rows, out.columns]).toEqual([4, 7]);
  expect(furthestApart(out.data, expected.data)).toBeLessThan(1e-5);
});

test("add is a + b", async () => {
  const [a, b] = [random(3, 8, 6), random(3, 8, 7)];
  expect((await ops.add(a, b)).data).toEqual(a.data.map((value, i) => value + b.data[i]));
});

test.each([
  ["silu" as const, (g: number) => g / (1 + Math.exp(-g))],
  ["relu2" as const, (g: number) => Math.max(g, 0) ** 2],
])("gatedActivation is %s(gate) · up", async (activation, of) => {
  const [gate, up] = [random(3, 8, 6), random(3, 8, 7)];
  const expected = gate.data.map((g, i) => of(g) * up.data[i]);
  expect(furthestApart((await ops.gatedActivation(gate, up, activation)).data, expected)).toBeLessThan(1e-6);
});

describe("score", () => {
  test("gives the log-sum-exp of each row and the logit of its target", async () => {
    const logits = random(3, 11, 8);
    const { logSumExp, targetLogits } = await ops.score(logits, Int32Array.from([10, 0, 4]));
    const expected = [0, 1, 2].map((row) =>
      Math.log(
        [...logits.data.subarray(row * 11, row * 11 + 11)].reduce((sum, value) => sum + Math.exp(value), 0),
      ),
    );
    expect(furthestApart(logSumExp, expected)).toBeLessThan(1e-6);
    expect([...targetLogits]).toEqual([at(logits, 0, 10), at(logits, 1, 0), at(logits, 2, 4)]);
  });

  test("does not overflow where exp would", async () => {
    const { logSumExp } = await ops.score(matrix(1, 3, Float32Array.of(5000, 5000, -5000)), Int32Array.of(0));
    expect(logSumExp[0]).toBeCloseTo(5000 + Math.log(2), 2);
  });
});

type Given = AttentionInput<Matrix, Float32Array>;

describe("attention", () => {
  const [windows, length, headSize] = [2, 6, 4];
  const rope = { rotatedSize: headSize, theta: 20, contextLength: 4096, scaling: null };

  function input(heads: number, keyValueHeads: number, changes: Partial<Given> = {}): Given {
    return {
      query: random(windows * length, heads * headSize, 10),
      key: random(windows * length, keyValueHeads * headSize, 11),
      value: random(windows * length, keyValueHeads * headSize, 12),
      heads,
      keyValueHeads,
      headSize,
      length,
      rope,
      norms: null,
      window: null,
      ...changes,
    };
  }

  const norms = { query: random(1, headSize, 13).data, key: random(1, headSize, 14).data, epsilon: 1e-4 };

  test.each([
    ["as many key-value heads as heads", input(2, 2)],
    ["grouped heads", input(4, 2)],
    ["one key-value head for all", input(3, 1)],
    ["norms on query and key", input(4, 2, { norms })],
    ["a window of 3 tokens", input(4, 2, { window: 3 })],
    ["a window of the token alone", input(2, 2, { window: 1 })],
    ["a window as long as the context", input(2, 2, { window: length })],
    ["norms and a window", input(4, 2, { norms, window: 2 })],
    ["half of each head rotated", input(4, 2, { rope: { ...rope, rotatedSize: headSize / 2 } })],
    ["nothing rotated", input(4, 2, { rope: null })],
    ["a scale of its own", input(2, 2, { scale: 0.9 })],
    ["capped scores", input(4, 2, { softcap: 0.5 })],
    ["capped scores and a window", input(4, 2, { softcap: 0.5, window: 3 })],
    ["all tokens seen", input(4, 2, { causal: false })],
  ])("with %s is the formula's", async (_, given) => {
    const out = await ops.attention(given);
    for (let token = 0; token < out.rows; token++) {
      expect(furthestApart(rowsOf(out, token, token + 1).data, attendedBy(token, given))).toBeLessThan(1e-5);
    }
  });

  test.each([null, 700])("of a context so long that it is computed in parts, window %s", async (window) => {
    const [long, heads] = [2200, 8]; // 148 MiB of scores
    const given = {
      ...input(heads, 2),
      query: random(2 * long, heads * headSize, 19),
      key: random(2 * long, 2 * headSize, 20),
      value: random(2 * long, 2 * headSize, 21),
      length: long,
      window,
    };
    const out = await ops.attention(given);
    for (const token of [0, 701, 1900, long - 1, long, long + 699, 2 * long - 1]) {
      expect(furthestApart(rowsOf(out, token, token + 1).data, attendedBy(token, given))).toBeLessThan(1e-5);
    }
  });
});

/**
 * softmax(cap(scale · q · kᵀ)) · v over the tokens that one token sees, `[heads · headSize]`; heads share keys in
 * neighbouring groups.
 */
function attendedBy(token: number, given: Given): number[] {
  const { query, key, value, heads, keyValueHeads, headSize, length, rope, norms } = given;
  const position = token % length;
  const start = token - position;
  const first = given.window === null ? 0 : Math.max(0, position - given.window + 1);
  const last = given.causal === false ? length - 1 : position;
  const { scale = 1 / Math.sqrt(headSize), softcap: cap } = given;
  return Array.from({ length: heads }, (_, head) => {
    const shared = Math.floor(head / (heads / keyValueHeads));
    const q = rotated(query, token, head, norms?.query);
    const weights = Array.from({ length: last - first + 1 }, (_, j) => {
      const k = rotated(key, start + first + j, shared, norms?.key);
      const score = scale * q.reduce((sum, x, i) => sum + x * k[i], 0);
      return Math.exp(cap ? cap * Math.tanh(score / cap) : score);
    });
    const total = weights.reduce((a, b) => a + b, 0);
    return Array.from({ length: headSize }, (_, i) =>
      weights.reduce(
        (sum, weight, j) => sum + (weight / total) * at(value, start + first + j, shared * headSize + i),
        0,
      ),
    );
  }).flat();

  /** One head of one token, normed if asked, each pair (i, i + half of what is rotated) turned by its position's angle. */
  function rotated(x: Matrix, token: number, head: number, norm: Float32Array | undefined): number[] {
    const half = (rope?.rotatedSize ?? 0) / 2;
    let v = Array.from({ length: headSize }, (_, i) => at(x, token, head * headSize + i));
    if (norm) {
      const root = Math.sqrt(v.reduce((sum, y) => sum + y * y, 0) / headSize + norms!.epsilon);
      v = v.map((y, i) => (y / root) * norm[i]);
    }
    return v.map((y, i) => {
      if (i >= 2 * half) return y;
      const angle = (token % length) * rope!.theta ** (-(i % half) / half);
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      return i < half ? y * c - v[i + half] * s : y * c + v[i - half] * s;
    });
  }
}

test("results are the same on one thread and on two", async () => {
  const single = openOps({ threads: 1 });
  const [x, weight] = [random(64, 96, 15), random(80, 96, 16)];
  const [one, two] = [await single.linear(x, weight, null), await ops.linear(x, weight, null)];
  expect(one.data).toEqual(two.data);
  await single.close();
});

test("ops that were closed start again when used", async () => {
  const again = openOps({ threads: 1 });
  const x = random(2, 4, 17);
  const first = await again.gatedActivation(x, x, "silu");
  await again.close();
  expect(await again.gatedActivation(x, x, "silu")).toEqual(first);
  await again.close();
});
