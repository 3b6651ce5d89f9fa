// The engine against its peers, in one run: onnxruntime's MatMulNBits and llama.cpp's ggml_mul_mat.
//   npm run build && npm ci --prefix bench/peers --ignore-scripts && node bench/speed.mjs [threads…]
//
// Contenders of a class take turns, a block of products each, several rounds; the median counts. One token's weights
// rotate through more memory than the caches hold. "of memory" is the time that a contender's weights take at the read
// bandwidth measured in this run, over its time. Ratios are what counts: absolute times differ between machines.
import { setTimeout } from "node:timers/promises";
import { measureLimits } from "../dist/src/kernels/limits.js";
import { openKernels } from "../dist/src/kernels/open.js";
import { quantizerOf } from "../dist/src/pipeline/choices.js";
import { findTarget } from "../dist/src/targets/registry.js";
import { openGgmlProduct } from "./peers/ggml-product.mjs";
import { openMatMulNBits } from "./peers/onnxruntime-product.mjs";

const shapes = [
  [4096, 4096],
  [6144, 2048],
];
const rotatedBytes = 128 * 2 ** 20;
const rounds = 5;

const threadCounts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1, openKernels().threads];

const rtn = (bits, symmetric) => ({ method: "rtn", bits, group: 128, symmetric });
const ternary = { method: "absmean", group: "tensor" };

/** Each class: what of ours, and the peers that do the same work. */
const classes = {
  "2 bits, g128, symmetric": [
    ours("t-mac", rtn(2, true)),
    onnxruntime("onnxruntime 2 bits, level 4", { bits: 2, level: 4, lut: false }),
    onnxruntime("onnxruntime 2 bits, LUT", { bits: 2, level: 0, lut: true }),
    llama("Q2_K", 2.625),
  ],
  "4 bits, g128, symmetric": [
    ours("t-mac", rtn(4, true)),
    onnxruntime("onnxruntime 4 bits, level 4", { bits: 4, level: 4, lut: false }),
    llama("Q4_0", 4.5),
  ],
  ternary: [ours("tellme", ternary), ours("bitnet-cpp", ternary), llama("TQ2_0", 2.0625)],
};

for (const threads of new Set(threadCounts)) {
  const kernels = openKernels({ threads });
  const limits = await measureLimits(kernels);
  console.log(
    `\n${threads} threads, kernels ${kernels.path}, memory reads ${(limits.readBytesPerSecond / 1e9).toFixed(1)} GB/s`,
  );
  for (const [rows, columns] of shapes) {
    for (const [name, contenders] of Object.entries(classes)) {
      console.log(`\n${rows} × ${columns}, ${name}`);
      for (const tokens of [1, 128])
        await compete(contenders, { rows, columns, tokens, threads, kernels, limits });
    }
  }
}
process.exit(0); // peers keep threads of their own

async function compete(contenders, setting) {
  const { tokens, limits } = setting;
  const opened = [];
  for (const contender of contenders)
    opened.push({ ...contender, ...(await contender.open(setting)), times: [] });
  for (let round = 0; round < rounds; round++) {
    for (const { run, times } of opened) {
      await setTimeout(600); // peers' threads spin for up to half a second after their work
      const start = performance.now(); // what the one before left in the caches does not count, nor does waking up
      while (performance.now() - start < 50) await run();
      for (let i = 0; i < (tokens === 1 ? 60 : 8); i++) times.push(await run());
    }
  }
  const medians = opened.map(({ times }) => times.sort((a, b) => a - b)[times.length >> 1]);
  const peer = Math.min(...medians.filter((_, i) => !contenders[i].isOurs));
  for (const [i, { name, isOurs, bytes, close }] of opened.entries()) {
    const seconds = medians[i];
    const ratio = isOurs ? `${(peer / seconds).toFixed(2)} × the fastest peer's speed` : "";
    const memory = `${((100 * bytes) / limits.readBytesPerSecond / seconds).toFixed(0)} %`;
    console.log(
      `  ${String(tokens).padStart(3)} tokens  ${name.padEnd(28)} ${(seconds * 1e3).toFixed(3).padStart(8)} ms` +
        `${tokens === 1 ? `, ${memory.padStart(5)} of memory` : ""}  ${ratio}`,
    );
    await close?.();
  }
}

function ours(target, choice) {
  return {
    name: `luthier ${target}`,
    isOurs: true,
    async open({ rows, columns, tokens, kernels }) {
      const { pack, open, parameters } = findTarget(target);
      const { quantizer } = quantizerOf(choice);
      const { method: _, ...options } = choice;
      const weight = { rows, columns, data: numbers(rows * columns, 0.02) };
      const scheme = await quantizer.quantize(weight, quantizer.options.parse(options), kernels);
      const packed = pack(scheme, parameters.parse({}));
      const bytes = Object.values(packed.tensors).reduce((sum, tensor) => sum + tensor.bytes.length, 0);
      const products = Array.from({ length: copiesOf(bytes, tokens) }, () => open(copyOf(packed), kernels));
      const input = { rows: tokens, columns, data: numbers(tokens * columns, 1) };
      let next = 0;
      const run = async () => {
        const start = performance.now();
        await products[next++ % products.length].multiply(input);
        return (performance.now() - start) / 1e3;
      };
      return { bytes, run };
    },
  };
}

function onnxruntime(name, { bits, level, lut }) {
  return {
    name,
    isOurs: false,
    async open({ rows, columns, tokens, threads }) {
      const bytes = (rows * columns * (bits + 32 / 128)) / 8;
      const copies = copiesOf(bytes, tokens);
      const product = await openMatMulNBits({ bits, block: 128, rows, columns, level, lut, threads, copies });
      return { bytes, run: () => product.run(tokens), close: product.close };
    },
  };
}

function llama(type, bits) {
  return {
    name: `llama.cpp ${type}`,
    isOurs: false,
    async open({ rows, columns, tokens, threads }) {
      const bytes = (rows * columns * bits) / 8;
      const product = openGgmlProduct({ type, rows, columns, threads, copies: copiesOf(bytes, tokens) });
      return { bytes, run: async () => product.run(tokens) };
    },
  };
}

function copiesOf(bytes, tokens) {
  return tokens === 1 ? Math.ceil(rotatedBytes / bytes) : 1;
}

function copyOf(packed) {
  const tensors = Object.entries(packed.tensors).map(([name, tensor]) => [
    name,
    { ...tensor, bytes: tensor.bytes.slice() },
  ]);
  return { ...packed, tensors: Object.fromEntries(tensors) };
}

/** Repeatable numbers, nearly normal. */
function numbers(count, deviation) {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return Float32Array.from({ length: count }, () => (uniform() + uniform() + uniform()) * 2 * deviation);
}
