import { describe, expect, test } from "vitest";
import { LuthierError } from "../../src/error.js";
import type { Candidate, SearchedLinear } from "../../src/search/candidates.js";
import {
  chooseWithin,
  expectAffordable,
  frontierOf,
  scoreLinears,
  scoreOf,
  uniformChoices,
} from "../../src/search/scores.js";
import type { Sensitivities } from "../../src/search/sensitivity-files.js";
import { candidateOf, searchedOf } from "./made-up.js";

/** Two linears of 64 × 128; the second moves the model five times as much. */
const searched = [searchedOf("a", [2, 3, 4]), searchedOf("b", [2, 3, 4])];
const sensitivities: Sensitivities = {
  a: [measured(2, 0.16, 0.16), measured(3, 0.04, 0.04), measured(4, 0.01, null)],
  b: [measured(2, 0.16, 0.8), measured(3, 0.04, 0.2), measured(4, 0.01, null)],
};
const linears = scoreLinears(searched, sensitivities);

function measured(bits: number, error: number, divergence: number | null) {
  return { candidate: candidateOf(bits).key, error, divergence };
}

const chosenBits = (bits: number) =>
  chooseWithin(linears, { unit: "bits", amount: bits }).chosen.map((at) => at + 2);

describe("scoreLinears", () => {
  test("losses follow from the errors by what the probes measured of each linear", () => {
    expect(linears.map(({ options }) => options.map(({ loss }) => Number(loss.toFixed(6))))).toEqual([
      [0.16, 0.04, 0.01],
      [0.8, 0.2, 0.05],
    ]);
  });

  test("bits count scales and zero points: 16 + 8 of them for 128 weights", () => {
    expect(linears[0].options[0].bitsPerWeight).toBe(2 + 24 / 128);
  });
});

describe("chooseWithin", () => {
  test("the more sensitive linear gets the bits", () => {
    expect(chosenBits(2.7)).toEqual([2, 3]);
    expect(chosenBits(3.2)).toEqual([2, 4]);
    expect(chosenBits(3.7)).toEqual([3, 4]);
    expect(chosenBits(9)).toEqual([4, 4]);
  });

  test("bits of a budget are those of all weights together", () => {
    const { chosen } = chooseWithin(linears, { unit: "bits", amount: 3.1875 });
    expect(scoreOf(linears, chosen).bitsPerWeight).toBeLessThanOrEqual(3.1875);
    const inBytes = (3.1875 * 2 * 64 * 128) / 8;
    expect(chooseWithin(linears, { unit: "bytes", amount: inBytes }).chosen).toEqual(chosen);
  });

  test("a budget in cycles counts cycles", () => {
    const slow = (at: number) => ({ ...linears[at], options: linears[at].options.map(withCycles(at)) });
    const found = chooseWithin([slow(0), slow(1)], { unit: "cycles", amount: 30 });
    expect(found.chosen).toEqual([2, 0]); // bits of the second cost ten times as many
  });

  test("cycles without a device are refused", () => {
    expect(() => chooseWithin(linears, { unit: "cycles", amount: 60 })).toThrow(
      /cycles are those of a target/,
    );
  });
});

function withCycles(at: number) {
  return <T extends { readonly candidate: Candidate }>(option: T, place: number) => ({
    ...option,
    cycles: (at === 0 ? 1 : 10) * (place + 2),
  });
}

test("a budget that the cheapest exceed is refused before anything is measured", () => {
  expect(() => expectAffordable(searched, { unit: "bits", amount: 2 })).toThrow(LuthierError);
  expect(() => expectAffordable(searched, { unit: "bytes", amount: 4480 - 1 })).toThrow(/take 4480 bytes/);
  expectAffordable(searched, { unit: "bytes", amount: 4480 });
});

test("the frontier goes from all at the cheapest to all at the dearest", () => {
  const bits = frontierOf(linears, { unit: "bits", amount: 3 }).map(({ bitsPerWeight }) => bitsPerWeight);
  expect([bits[0], bits.at(-1)]).toEqual([2.1875, 4.1875]);
});

test("uniform choices are those that every linear has, wherever it stands in its list", () => {
  const mixed: SearchedLinear[] = [searchedOf("a", [2, 3, 4]), searchedOf("b", [4, 6, 3])];
  expect(uniformChoices(mixed)).toEqual([
    [1, 2],
    [2, 0],
  ]);
});
