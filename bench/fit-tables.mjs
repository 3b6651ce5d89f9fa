// Table fits of Qwen3-0.6B's shapes: visits of (position, output, token) cells per second, against the TypeScript reference
// and against memory in the same run. A pass over the residual reads and writes 4 bytes of it for 8 positions, so a visit
// moves a byte: at the read bandwidth that would be the limit "of memory", for a residual that no cache holds.
//   npm run build && node bench/fit-tables.mjs [threads…]
import { measureLimits } from "../dist/src/kernels/limits.js";
import { openKernels } from "../dist/src/kernels/open.js";

/** Each: stacked linears; outputs and the blocks of them. Positions are some of the layer's: time goes with their number. */
const layers = [
  { name: "gate and up", rows: 6144, blocks: 12 },
  { name: "down", rows: 1024, blocks: 2 },
];
const [positions, tokens, inputs, centroids] = [64, 4096, 64, 16];
const rounds = 5;

const threadCounts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1, openKernels().threads];

const reference = openKernels({ path: "reference" });
console.log(
  `reference: ${billions(await visitsPerSecond(reference, problem(512, 1, 8, tokens), 1))} G visits/s`,
);
for (const threads of new Set(threadCounts)) {
  const kernels = openKernels({ threads });
  const { readBytesPerSecond } = await measureLimits(kernels);
  console.log(
    `\n${threads} threads, kernels ${kernels.path}, memory reads ${billions(readBytesPerSecond)} GB/s`,
  );
  for (const { name, rows, blocks } of layers) {
    const visits = await visitsPerSecond(kernels, problem(rows, blocks, positions, tokens), rounds);
    console.log(
      `  ${name.padEnd(12)} ${billions(visits)} G visits/s, ${((100 * visits) / readBytesPerSecond).toFixed(0)} % of memory`,
    );
  }
}

/** Of one sweep, the fastest of some. */
async function visitsPerSecond(kernels, { tables, residual, task }, rounds) {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    await kernels.fitTables(tables, residual, task);
    least = Math.min(least, performance.now() - started);
  }
  return (task.ids.length * residual.length) / task.blockOfRow.length / (least / 1e3);
}

function problem(rows, blocks, positions, tokens) {
  let state = 1;
  const next = (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
  return {
    tables: new Float32Array(positions * blocks * inputs * centroids),
    residual: Float32Array.from({ length: rows * tokens }, () => next(2001) / 1000 - 1),
    task: {
      ...{ inputs, centroids, blocks, sweeps: 1, inertia: 512, grid: null },
      inputIds: Uint8Array.from({ length: positions * tokens }, () => next(inputs)),
      ids: Uint8Array.from({ length: positions * rows }, () => next(centroids)),
      blockOfRow: Int32Array.from({ length: rows }, (_, row) => Math.floor((row * blocks) / rows)),
    },
  };
}

function billions(count) {
  return (count / 1e9).toFixed(count < 1e9 ? 3 : 1);
}
