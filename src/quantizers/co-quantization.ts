import { z } from "zod";
import { LuthierError } from "../error.js";
import type { Kernels } from "../kernels/kernels.js";
import type { VectorsOutline, VectorsScheme } from "../schemes/vectors.js";
import type { CalibratedQuantizer, CalibrationInputs, LinearShape } from "./calibrated-quantizer.js";
import { clusterWeights } from "./clustered-weights.js";
import { fitCodebooks } from "./fitted-codebooks.js";
import { fitProducts, productsOfPart } from "./fitted-products.js";
import { aimAtFloat, momentsOf, sampleRows, sampleTokens } from "./input-moments.js";
import { weightsOf } from "./linear-sizes.js";
import { codebooksOfPart, idsOfPart, stack } from "./stacked-linears.js";
import { triedTokens } from "./table-grids.js";

const options = z.strictObject({
  centroids: z.int().min(2).max(256).default(16).describe("of a codebook of weights"),
  group: z
    .int()
    .min(2)
    .default(512)
    .describe(
      "outputs that share a codebook of weights; fewer where a layer is narrower or they do not divide it",
    ),
  inputs: z
    .union([z.int().min(2).max(256), z.literal("float")])
    .default(64)
    .describe(
      "centroids of an input's codebook; `float`: inputs stay as they are, only weights are quantized",
    ),
  table: z
    .union([z.literal(8), z.literal(4), z.literal("none")])
    .default(8)
    .describe("bits of an entry of the table of products; `none`: products in float32, for comparison"),
  compensation: z
    .boolean()
    .default(true)
    .describe("aim at the float model's outputs, and make up for each position's error by the later ones"),
  refit: z
    .boolean()
    .default(true)
    .describe("fit codebooks of weights, and the table's entries, to the float model's outputs"),
});
export type CoQuantizationOptions = z.infer<typeof options>;

/** v: two inputs make a position, the only length that the hardware's search takes. */
const vector = 2;

/** Tokens that the codebooks of inputs are clustered from, at most. */
const clusteredTokens = 16384;

/**
 * Inputs and weights by centroids, pair by pair, and the table of their products.
 *
 * 1. A codebook for each pair of inputs, by k-means of the inputs as the quantized model has them, near as the hardware's
 *    search means it.
 * 2. The weights that give the float model's outputs from such inputs by least squares: what is lost in the input and in
 *    earlier layers is made up for as far as other inputs know of it.
 * 3. A codebook of weights for each pair and block of outputs, pairs with the largest inputs first; the error of each is
 *    made up for by the later ones (GPTVQ).
 * 4. Those codebooks fitted to the float model's outputs by least squares, pair by pair; ids stay.
 * 5. The table: products of both codebooks, then, on a grid of levels for each linear (of queries, keys and values: each
 *    block), the entries that give the float model's outputs best, pair by pair, each making up for the rounding of those
 *    before.
 *
 * Without `compensation` weights are clustered as they are, and errors stay where they are; without `refit` there is no 4,
 * and entries are the rounded products.
 */
export const coQuantization: CalibratedQuantizer<CoQuantizationOptions> = {
  name: "co-quantization",
  summary: "k-means of inputs and weights together, with a table of their products, for LUT-LLM",
  source: "LUT-LLM, arXiv 2511.06174 (the representation); GPTVQ, arXiv 2402.15319 (compensation)",
  options,
  outline: outlineOf,
  workingBytes,
  untimed: "a codebook and its table take as long for few outputs and tokens as for many",
  async quantize(linears, inputs, chosen, { seed, kernels }) {
    const { centroids, compensation, refit, table } = chosen;
    const outlines = linears.map((linear) => outlineOf(linear, chosen));
    const stacked = stack(linears, (linear, at) => {
      const outline = outlines[at];
      const shared = sharesBlocks(linear, chosen);
      return { shared, blocks: outline.blocks, runs: outline.table?.scales ?? outline.blocks };
    });
    const inputCodebooks = await clusterInputs(inputs, chosen.inputs, seed, kernels);
    const moments = await momentsOf(inputs, inputCodebooks, vector, kernels);
    const aim = compensation || refit ? await aimAtFloat(stacked, moments, kernels) : stacked.weights;
    const weights = compensation ? aim : stacked.weights;
    const clustering = { vector, centroids, seed, compensation };
    const clustered = await clusterWeights(weights, stacked, moments, clustering, kernels);
    const { ids } = clustered;
    const codebooks = refit
      ? await fitCodebooks(aim, stacked, moments.second, clustered, vector, kernels)
      : clustered.codebooks;
    const products =
      inputCodebooks && chosen.inputs !== "float" && table !== "none"
        ? await fitProducts(
            { stacked, moments, inputCodebooks, ids, codebooks },
            { vector, inputs: chosen.inputs, centroids, bits: table, refit },
            kernels,
          )
        : null;
    return outlines.map((outline, at): VectorsScheme => {
      const part = stacked.parts[at];
      return {
        ...outline,
        ids: idsOfPart(stacked, part, ids),
        codebooks: products ? null : codebooksOfPart(stacked, part, codebooks, vector),
        inputCodebooks,
        products: products && productsOfPart(products, stacked, part, vector),
      };
    });
  },
};

/**
 * All along the weights `[N, K]` as one, two moments `[K, K]` and the sample of inputs `[T, K]`; beside them one step's: the aim
 * (weights transposed, in float64 and as they come out; a factor and a difference of moments), clusters (the aim, weights in
 * order and in float64; moments in order, damped and inverted), or tables `[P, blocks, c_a, c_w]` thrice with what
 * outputs `[N, T]` lack, of all tokens and twice of those that ranges are tried on.
 */
function workingBytes(
  linears: readonly LinearShape[],
  allTokens: number,
  chosen: CoQuantizationOptions,
): number {
  const { columns } = linears[0];
  const [weights, square] = [weightsOf(linears), columns ** 2];
  const tokens = Math.min(allTokens, sampleTokens);
  const always = 4 * weights + 16 * square + 4 * tokens * columns;
  const [aim, clusters] = [16 * weights + 12 * square, 16 * weights + 24 * square];
  if (chosen.inputs === "float" || chosen.table === "none") return always + Math.max(aim, clusters);
  const rows = weights / columns;
  const blocks = linears.map((linear) => blocksOf(linear, chosen));
  const together = sharesBlocks(linears[0], chosen) ? blocks[0] : blocks.reduce((sum, each) => sum + each, 0);
  const entries = (columns / vector) * together * chosen.inputs * chosen.centroids;
  const tables = 12 * entries + 4 * rows * (tokens + 2 * Math.min(tokens, triedTokens));
  return always + Math.max(aim, clusters, tables);
}

/** `[P, c_a, v]`; null where inputs stay float. */
async function clusterInputs(
  { quantized }: CalibrationInputs,
  centroids: CoQuantizationOptions["inputs"],
  seed: number,
  kernels: Kernels,
): Promise<Float32Array | null> {
  if (centroids === "float") return null;
  return kernels.kMeans(sampleRows(quantized, clusteredTokens), { vector, centroids, seed });
}

function outlineOf(linear: LinearShape, chosen: CoQuantizationOptions): VectorsOutline {
  const { rows, columns, attention } = linear;
  if (columns % vector !== 0)
    throw new LuthierError(`its ${columns} inputs are no pairs`, "keep these linears float");
  const { centroids, inputs, table } = chosen;
  const blocks = blocksOf(linear, chosen);
  const outline = { scheme: "vectors", rows, columns, vector, centroids, blocks } as const;
  if (inputs === "float") {
    if (table === "none") return outline;
    throw new LuthierError(
      "a table has products with the input's centroids, and inputs are float",
      "add `table: none`, or give `inputs` a number",
    );
  }
  if (table === "none") return { ...outline, inputs };
  const scales = attention ? rows / attention.headSize : 1;
  return { ...outline, inputs, table: { bits: table, scales } };
}

/** Runs of outputs with codebooks of their own: the fewest, of at most `group` outputs, that divide the layer. */
function blocksOf(linear: LinearShape, chosen: CoQuantizationOptions): number {
  const { rows, attention } = linear;
  const shared = sharesBlocks(linear, chosen) ? attention : null;
  const together = shared?.rows ?? rows;
  const runs = shared?.keyValueHeads ?? rows;
  let blocks = Math.ceil(together / chosen.group);
  while (runs % blocks !== 0) blocks++;
  return blocks;
}

/**
 * Whether queries, keys and values are in the same blocks, each with whole key-value heads: so hardware has them. Without
 * tables, groups may be smaller than a head.
 */
function sharesBlocks({ attention }: LinearShape, { group, table }: CoQuantizationOptions): boolean {
  if (attention === null) return false;
  const perHead = attention.rows / attention.keyValueHeads;
  if (perHead <= group) return true;
  if (table === "none") return false;
  throw new LuthierError(
    `a key-value head and its queries have ${perHead} outputs, more than the group of ${group}`,
    `set group to ${perHead} or more`,
  );
}
