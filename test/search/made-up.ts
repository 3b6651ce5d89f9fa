import { candidatesSchema } from "../../src/recipe/schema.js";
import { storedBytes } from "../../src/schemes/weights.js";
import type { Budget } from "../../src/search/budget.js";
import type { Candidate, SearchedLinear } from "../../src/search/candidates.js";
import { frontierOf, scoreLinears, scoreOf } from "../../src/search/scores.js";
import type { SearchResult } from "../../src/search/search.js";

/** Round-to-nearest of a 64 × 128 linear. */
export function candidateOf(bits: number): Candidate {
  const [quantizing] = candidatesSchema.parse([{ quantize: { method: "rtn", bits } }]);
  const shape = { rows: 64, columns: 128, group: 128, scaleRows: 64 };
  const weight = { scheme: "int", bits, symmetric: false, ...shape } as const;
  return {
    quantizing,
    key: JSON.stringify(quantizing),
    name: `rtn: int${bits} g128`,
    planned: {
      ...{ weight, activation: { scheme: "float" }, choice: quantizing.quantize },
      ...{ alternatives: [], biasCorrection: null },
    },
    bytes: storedBytes(weight),
    cycles: null,
  };
}

/** A linear of that shape. */
export function searchedOf(name: string, bits: readonly number[]): SearchedLinear {
  const linear = {
    ...{ name, rows: 64, columns: 128, tensor: `${name}.weight`, bias: null, norm: null },
    ...{ headNorm: null, rotaryHeadSize: null, attention: null },
  };
  return { linear, candidates: bits.map(candidateOf) };
}

const searched = [searchedOf("a", [2, 3, 4]), searchedOf("b", [2, 3, 4])];
const measured = (bits: number, error: number, divergence: number | null) => {
  return { candidate: candidateOf(bits).key, error, divergence };
};
const linears = scoreLinears(searched, {
  a: [measured(2, 0.16, 0.16), measured(3, 0.04, 0.04), measured(4, 0.01, null)],
  b: [measured(2, 0.16, 0.64), measured(3, 0.04, 0.16), measured(4, 0.01, null)],
});
const budget: Budget = { unit: "bits", amount: 3.2 };

/** Of two linears, the first with 2 bits and the second with 4. */
export const madeUpResult: SearchResult = {
  ...{ model: "tiny", budget, target: null, device: null, recipe: "recipe.yaml" },
  text: { name: "book.txt", sha256: "0".repeat(64), windows: 64, length: 256, probedTokens: 4096 },
  found: { ...scoreOf(linears, [0, 2]), loss: 0.08, bound: 0.08, divergence: 0.1 },
  linears: linears.map((linear, at) => ({ ...linear, chosen: [0, 2][at] })),
  frontier: frontierOf(linears, budget),
  uniform: [0, 1, 2].map((at) => ({
    candidate: searched[0].candidates[at],
    ...scoreOf(linears, [at, at]),
    divergence: 0.8 / 4 ** at,
  })),
  compared: [{ name: "my-run", bitsPerWeight: 3.5, bytes: 7168, divergence: 0.3 }],
};
