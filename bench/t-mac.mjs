// How fast the engine computes t-mac and tellme linears, against the machine's own memory bandwidth measured in the same
// run. `npm run build && node bench/t-mac.mjs`; LUTHIER_THREADS and LUTHIER_KERNELS choose threads and path.
//
// Weights rotate through more memory than the caches hold, as they do when a model decodes. "of copy" is the time that
// a memory copy would take to move the weight's bytes, over the time of the product: 1.0 is as fast as the bytes come.
import { openKernels } from "../dist/src/kernels/open.js";
import { findTarget } from "../dist/src/targets/registry.js";

const rows = 4096;
const columns = 4096;
const rotatedBytes = 96 << 20;

const kernels = openKernels();
const bandwidth = copyBandwidth();
console.log(
  `path ${kernels.path}, ${kernels.threads} threads, copy ${(bandwidth / 1e9).toFixed(1)} GB/s (read and written)`,
);
console.log(`${rows} × ${columns}\n`);
console.log("linear                  tokens      ms   GMAC/s   weights GB/s   of copy");

await measure("t-mac", "int2 symmetric g128", intScheme(2, 128), "float");
await measure("t-mac", "int4 symmetric g128", intScheme(4, 128), "float");
await measure("t-mac", "2 trit planes g128", planesScheme(2, 128), "float");
await measure("tellme", "ternary, one scale", planesScheme(1, null), "int8");

async function measure(targetName, name, weight) {
  const target = findTarget(targetName);
  const packed = target.pack(weight, target.parameters.parse({}));
  const bytes = Object.values(packed.tensors).reduce((sum, tensor) => sum + tensor.bytes.length, 0);
  const copies = Array.from({ length: Math.ceil(rotatedBytes / bytes) }, () =>
    target.open(copyOf(packed), kernels),
  );
  for (const tokens of [1, 8, 64, 512]) {
    const input = { rows: tokens, columns, data: numbers(tokens * columns) };
    const seconds = await best(copies, (arithmetic) => arithmetic.multiply(input));
    const cells = [
      `${targetName} ${name}`.padEnd(24),
      String(tokens).padStart(5),
      (seconds * 1e3).toFixed(3).padStart(8),
      ((tokens * rows * columns) / seconds / 1e9).toFixed(0).padStart(8),
      (bytes / seconds / 1e9).toFixed(1).padStart(14),
      (bytes / bandwidth / seconds).toFixed(2).padStart(9),
    ];
    console.log(cells.join(" "));
  }
}

/** The median over a few rounds through all copies. */
async function best(copies, run) {
  await run(copies[0]);
  const times = [];
  const until = performance.now() + 1500;
  for (let i = 0; times.length < 5 || performance.now() < until; i++) {
    const start = performance.now();
    await run(copies[i % copies.length]);
    times.push((performance.now() - start) / 1e3);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

/** Bytes a second that one thread reads and writes when it copies what no cache holds. */
function copyBandwidth() {
  const source = new Uint8Array(256 << 20).fill(1);
  const out = new Uint8Array(source.length);
  let fastest = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    out.set(source);
    fastest = Math.min(fastest, (performance.now() - start) / 1e3);
  }
  return (2 * source.length) / fastest;
}

function copyOf(packed) {
  const tensors = Object.entries(packed.tensors).map(([name, tensor]) => [
    name,
    { ...tensor, bytes: tensor.bytes.slice() },
  ]);
  return { ...packed, tensors: Object.fromEntries(tensors) };
}

function intScheme(bits, group) {
  return {
    ...{ scheme: "int", bits, symmetric: true, rows, columns, group, scaleRows: rows, zeroPoints: null },
    codes: Uint8Array.from({ length: rows * columns }, (_, i) => hash(i) % 2 ** bits),
    scales: new Float32Array((rows * columns) / group).fill(2 ** -6),
  };
}

/** One scale a group, or with a group of null one for the tensor. */
function planesScheme(planes, group) {
  const grid = group === null ? { group: columns, scaleRows: 1 } : { group, scaleRows: rows };
  return {
    ...{ scheme: "planes", alphabet: "trits", planes, rows, columns, ...grid },
    codes: Int8Array.from({ length: planes * rows * columns }, (_, i) => (hash(i) % 3) - 1),
    scales: new Float32Array((planes * grid.scaleRows * columns) / grid.group).fill(2 ** -6),
  };
}

function numbers(count) {
  return Float32Array.from({ length: count }, (_, i) => (hash(i) % 2001) / 500 - 2);
}

/** A repeatable scramble of a whole number. */
function hash(i) {
  const mixed = Math.imul(i ^ (i >>> 15), 0x2c1b3c6d);
  return (Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39) ^ (mixed >>> 15)) >>> 0;
}
