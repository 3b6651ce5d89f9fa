// k-means of a linear's inputs against ml-kmeans, in one run: the same points and the same number of rounds, from the same
// start, and with the same distance. Ours is timed on all positions, start included; the peer, whose positions are independent
// and take turns anyway, on some of them without a start.
//   npm run build && node bench/k-means.mjs [--tokens 16384] [--columns 1024] [--centroids 64] [--sample 4] [--threads 1,2]
import { parseArgs } from "node:util";
import { kmeans } from "ml-kmeans";
import { fitCentroids, mostRounds } from "../dist/src/kernels/fit-centroids.js";
import { openKernels } from "../dist/src/kernels/open.js";
import { matrix } from "../dist/src/tensor/matrix.js";

const { values } = parseArgs({
  options: {
    tokens: { type: "string", default: "16384" },
    columns: { type: "string", default: "1024" },
    centroids: { type: "string", default: "64" },
    sample: { type: "string", default: "4" },
    threads: { type: "string", default: `1,${openKernels().threads}` },
  },
});
const [tokens, columns, centroids, sample] = ["tokens", "columns", "centroids", "sample"].map((name) =>
  Number(values[name]),
);
const vector = 2;
const seed = 0;
const positions = columns / vector;
const points = matrix(tokens, columns, numbers(tokens * columns));
console.log(
  `${tokens} tokens, ${positions} positions of ${vector} inputs, ${centroids} centroids, ${mostRounds} rounds at most`,
);

const peers = {
  "Chebyshev's distance": (a, b) => Math.max(Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])),
  "its own distance": undefined,
};
const peerSeconds = {};
for (const [name, distanceFunction] of Object.entries(peers)) {
  const { seconds, rounds } = peer(distanceFunction);
  peerSeconds[name] = seconds / sample;
  console.log(`ml-kmeans, ${name}: ${ms(seconds / sample)} ms a position, ${rounds / sample} rounds`);
}
for (const threads of new Set(values.threads.split(",").map(Number))) {
  const kernels = openKernels({ threads });
  await kernels.kMeans(matrix(64, columns, points.data.subarray(0, 64 * columns)), {
    vector,
    centroids,
    seed,
  });
  const started = performance.now();
  await kernels.kMeans(points, { vector, centroids, seed });
  const seconds = (performance.now() - started) / 1e3;
  const ratios = Object.entries(peerSeconds).map(
    ([name, each]) => `${((each * positions) / seconds).toFixed(0)} × ml-kmeans with ${name}`,
  );
  console.log(
    `luthier ${kernels.path}, ${threads} threads: ${ms(seconds / positions)} ms a position, ${seconds.toFixed(2)} s in all; ${ratios.join(", ")}`,
  );
}

/** The sampled positions, one after another. */
function peer(distanceFunction) {
  let [seconds, rounds] = [0, 0];
  for (let at = 0; at < sample; at++) {
    const position = Math.floor((at * positions) / sample);
    const own = Array.from({ length: tokens }, (_, token) => {
      const from = token * columns + position * vector;
      return [points.data[from], points.data[from + 1]];
    });
    const initialization = startOf(own.flat(), position);
    const started = performance.now();
    const { iterations } = kmeans(own, centroids, {
      ...{ initialization, maxIterations: mostRounds, tolerance: 0 },
      ...(distanceFunction && { distanceFunction }),
    });
    seconds += (performance.now() - started) / 1e3;
    rounds += iterations;
  }
  return { seconds, rounds };
}

/** Where ours starts. */
function startOf(own, position) {
  const start = fitCentroids(Float32Array.from(own), {
    ...{ vector, centroids, nearness: "chebyshev", rounds: 0, restarts: 1, keys: [seed, position] },
  }).centroids;
  return Array.from({ length: centroids }, (_, id) => [start[id * vector], start[id * vector + 1]]);
}

/** Repeatable numbers, nearly normal, one in a hundred ten times as large. */
function numbers(count) {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return Float32Array.from(
    { length: count },
    () => (uniform() + uniform() + uniform()) * (uniform() > 0.49 ? 20 : 2),
  );
}

function ms(seconds) {
  return (seconds * 1e3).toFixed(seconds > 1 ? 0 : 2);
}
