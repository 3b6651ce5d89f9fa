import type { LinearInfo } from "../model/architecture.js";

/** Linears of a block, those that read one input together. */
export function inputsOf(linears: readonly LinearInfo[]): readonly (readonly LinearInfo[])[] {
  const inputs: LinearInfo[][] = [];
  for (const [at, linear] of linears.entries()) {
    if (at > 0 && linear.norm !== null && linears[at - 1].norm === linear.norm) inputs.at(-1)?.push(linear);
    else inputs.push([linear]);
  }
  return inputs;
}
