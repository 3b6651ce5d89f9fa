import { positionsOf, type VectorsOutline, type VectorsScheme } from "../schemes/vectors.js";

/** Vectors of an outline with every id, entry and centroid at random; the same at every call. */
export function randomVectors(outline: VectorsOutline): VectorsScheme {
  const { rows, vector, centroids, blocks, inputs, table } = outline;
  const positions = positionsOf(outline);
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const filled = <Values extends Uint8Array | Float32Array>(values: Values, value: () => number): Values => {
    for (let i = 0; i < values.length; i++) values[i] = value();
    return values;
  };
  const real = () => 2 * uniform() - 1;
  return {
    ...outline,
    ids: filled(new Uint8Array(positions * rows), () => uniform() * centroids),
    codebooks: table ? null : filled(new Float32Array(positions * blocks * centroids * vector), real),
    inputCodebooks: inputs ? filled(new Float32Array(positions * inputs * vector), real) : null,
    products:
      table && inputs
        ? {
            entries: filled(
              new Uint8Array(positions * blocks * inputs * centroids),
              () => uniform() * 2 ** table.bits,
            ),
            scales: filled(new Float32Array(table.scales), () => 0.001),
            biases: filled(new Float32Array(table.scales), real),
          }
        : null,
  };
}
