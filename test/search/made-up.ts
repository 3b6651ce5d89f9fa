import { candidatesSchema } from "../../src/recipe/schema.js";
import { storedBytes } from "../../src/schemes/weights.js";
import type { Candidate, SearchedLinear } from "../../src/search/candidates.js";

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
