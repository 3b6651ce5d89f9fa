import { createHash } from "node:crypto";
import type { BeforeHead } from "../model/head.js";
import type { Product } from "../pipeline/block-products.js";
import type { Matrix } from "../tensor/matrix.js";
import type { Candidate } from "./candidates.js";
import { fitCandidates } from "./fit-candidates.js";
import type { MeasureOptions } from "./measure-sensitivities.js";
import { readDivergences, writeDivergences } from "./sensitivity-files.js";
import { eachBatch, walkBlocks } from "./walk.js";

/** What every searched linear becomes, by its name. */
export type Assignment = ReadonlyMap<string, Candidate>;

/**
 * How far the distributions of the whole model move when every linear becomes what an assignment says: what the sum of
 * predicted losses is to be compared with. The assignments go through the text side by side.
 *
 * @returns in the order of the assignments; those that an earlier search measured are not measured again.
 */
export async function measureDivergences(
  options: MeasureOptions,
  assignments: readonly Assignment[],
): Promise<readonly number[]> {
  const { folder, madeFrom } = options;
  const known = { ...(await readDivergences(folder, madeFrom)) };
  const missing = [...new Map(assignments.map((each) => [hashOf(each), each])).entries()].filter(
    ([hash]) => !(hash in known),
  );
  if (missing.length > 0) {
    const found = await measure(
      options,
      missing.map(([, assignment]) => assignment),
    );
    for (const [at, [hash]] of missing.entries()) known[hash] = Math.max(0, found[at]);
    await writeDivergences(folder, madeFrom, known);
  }
  return assignments.map((each) => known[hashOf(each)]);
}

async function measure(
  options: MeasureOptions,
  assignments: readonly Assignment[],
): Promise<readonly number[]> {
  const { blocks, searched, batches, probed, onProgress } = options;
  const some = batches.slice(0, probed);
  const embedded = await blocks.embed(some);
  const streams = assignments.map((): readonly Matrix[] => embedded);
  let products = assignments.map(() => new Map<string, Product>());
  const total = blocks.description.blocks.length;
  const tell = (done: number) =>
    onProgress({ stage: "divergences", done, total, what: `${assignments.length} recipes` });
  tell(0);
  const float = await walkBlocks(blocks, batches, {
    wants: () => true,
    async place(block, linears, inputs) {
      const wanted = searched
        .filter(({ linear }) => linears.includes(linear.name))
        .map((each) => ({ searched: each, candidates: chosenOf(each.linear.name, assignments) }));
      for await (const { searched: each, candidate, scheme } of fitCandidates(
        block,
        wanted,
        inputs.slice(probed),
        options,
      )) {
        const { name } = each.linear;
        const product = await block.product(name, scheme, candidate.planned.activation);
        for (const [at, assignment] of assignments.entries())
          if (assignment.get(name)?.key === candidate.key) products[at].set(name, product);
      }
    },
    async block(block, index) {
      for (const [at, hidden] of streams.entries())
        streams[at] = await eachBatch(some, ({ length }, batch) =>
          block.compute(hidden[batch], length, products[at]),
        );
      products = assignments.map(() => new Map());
      tell(index + 1);
    },
  });
  const states: BeforeHead[] = [];
  for (const hidden of streams) states.push(await blocks.beforeHead(hidden));
  const found = await blocks.distances(await blocks.beforeHead(float.slice(0, probed)), states);
  return found.map(({ divergence }) => divergence);
}

/** What a linear becomes in any of them, each once. */
function chosenOf(linear: string, assignments: readonly Assignment[]): readonly Candidate[] {
  const chosen = assignments.flatMap((assignment) => assignment.get(linear) ?? []);
  return [...new Map(chosen.map((candidate) => [candidate.key, candidate])).values()];
}

function hashOf(assignment: Assignment): string {
  const entries = [...assignment].map(([linear, { key }]) => [linear, key]);
  return createHash("sha256").update(JSON.stringify(entries)).digest("hex");
}
