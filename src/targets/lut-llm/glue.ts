import type { AttentionInput, BlockOps } from "../../model/block-ops.js";
import { rotaryTables } from "../../model/rope.js";
import { type Matrix, matrix, rowsOf } from "../../tensor/matrix.js";
import { attendWindow, rotate } from "./attention.js";
import { silu } from "./silu.js";
import { sumOfTree } from "./sums.js";

/*
 * What the kernel computes between its linears (rms_norm/rms_norm.h, rope/rope.h, gqa/gqa.h, silu/silu.h and
 * qwen_block/qwen_block.h of LUT-FPGA/LUT-LLM, commit e457a67): all in float32, each operation rounded by itself, sums in
 * the order of its loops. README.md writes it out.
 */

/** The operations of a block as the kernel computes them; what it lacks is refused before (kernel-rules.ts). */
export const kernelGlue = {
  async rmsNorm(x, weight, epsilon) {
    const out = matrix(x.rows, x.columns);
    for (let row = 0; row < x.rows; row++) {
      const inverse = inverseRoot(rowsOf(x, row, row + 1).data, epsilon);
      const first = row * x.columns;
      for (let i = 0; i < x.columns; i++) {
        // The kernel's vector is ones; other weights are the host's, after the last norm.
        out.data[first + i] = Math.fround(x.data[first + i] * inverse) * weight[i];
      }
    }
    return out;
  },
  async add(a, b) {
    return matrix(
      a.rows,
      a.columns,
      a.data.map((value, i) => value + b.data[i]),
    );
  },
  async gatedActivation(gate, up) {
    return matrix(
      up.rows,
      up.columns,
      up.data.map((value, i) => value * silu(gate.data[i])),
    );
  },
  async attention(input) {
    const { query, key, value, length } = input;
    const out = matrix(query.rows, query.columns);
    if (input.rope === null) throw new RangeError("the kernel rotates queries and keys"); // refused before
    const tables = rotaryTables(input.rope, length);
    for (let first = 0; first < query.rows; first += length) {
      const window = (x: Matrix) => rowsOf(x, first, first + length);
      const attended = attendWindow({
        ...headsOf(input),
        query: rotate(window(query), tables),
        key: rotate(window(key), tables),
        value: window(value),
      });
      out.data.set(attended.data, first * query.columns);
      await new Promise(setImmediate); // a long job can still be stopped
    }
    return out;
  },
} satisfies Partial<BlockOps<Matrix, Float32Array>>;

function headsOf({ heads, keyValueHeads, headSize }: AttentionInput<Matrix, Float32Array>) {
  return { heads, keyValueHeads, headSize };
}

/** Inputs whose squares are added as a tree. */
const squaresAtOnce = 32;

/** `1 / sqrt(mean(x²) + epsilon)`. @param x a multiple of 32 values. */
function inverseRoot(x: Float32Array, epsilon: number): number {
  const tree = new Float32Array(squaresAtOnce);
  let sum = 0;
  for (let first = 0; first < x.length; first += squaresAtOnce) {
    for (let k = 0; k < squaresAtOnce; k++) tree[k] = x[first + k] * x[first + k];
    sum = Math.fround(sum + sumOfTree(tree));
  }
  const mean = Math.fround(sum * Math.fround(1 / x.length));
  return Math.fround(1 / Math.fround(Math.sqrt(Math.fround(mean + Math.fround(epsilon)))));
}
