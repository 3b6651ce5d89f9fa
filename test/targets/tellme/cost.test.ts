import { describe, expect, test } from "vitest";
import type { GridOutline } from "../../../src/schemes/scheme.js";
import { boundOf, cyclesOf } from "../../../src/targets/cost.js";
import { tableBits, tellmeCost, uramsOf } from "../../../src/targets/tellme/cost.js";
import { fpgaDevice } from "../device-of.js";

const ternary = (rows: number, columns: number): GridOutline => ({
  ...{ scheme: "planes", alphabet: "trits", planes: 1, rows, columns, group: columns, scaleRows: 1 },
});
const costOf = (rows: number, columns: number, tokens: number, columnsPerCycle: number) =>
  tellmeCost.of(
    {
      weight: ternary(rows, columns),
      activation: { scheme: "int8", per: "token" },
      parameters: { columnsPerCycle },
      tokens,
    },
    fpgaDevice,
    {},
  );

/** BitNet 0.73B: 24 blocks of d_model 1536, d_ffn 4096. */
const ofBitNet = (of: (rows: number, columns: number) => number) =>
  24 * (4 * of(1536, 1536) + 2 * of(4096, 1536) + of(1536, 4096));

describe("the paper's formulas", () => {
  test("a lookup step is tokens · ⌈n / 84⌉ · ⌈k / Q⌉ cycles", () => {
    const [[lookups]] = costOf(1536, 4096, 10, 16).stages;
    expect(lookups.cycles).toBe(10 * 49 * 96);
    expect(costOf(1000, 85, 1, 16).stages[0][0].cycles).toBe(2 * 63); // padded to two slices, 62.5 columns
  });

  test("every lookup is one of 28 indices of a word", () => {
    expect(costOf(1536, 4096, 1, 16).lookups).toBe(1536 * 49 * 28);
  });

  test("five words of 140 bits and a norm weight fill 716 of a packet's 768 bits", () => {
    expect(5 * 140 + 16).toBeLessThanOrEqual(8 * 96);
    expect(costOf(1536, 1536, 1, 16).bytes.weights).toBe(Math.ceil((19 * 1536) / 5) * 96);
  });

  test("URAM blocks: ⌈(Y/Q) · ⌈X/84⌉ / 4096⌉ · 2 · Q/2", () => {
    expect(uramsOf(1536, 1536, 8)).toBe(8); // 192 · 19 = 3648 words a column of blocks
    expect(uramsOf(4096, 1536, 8)).toBe(24); // 192 · 49 = 9408
    expect(uramsOf(4096, 1536, 16)).toBe(32); // 96 · 49 = 4704
  });

  test("LUT RAM: Q · 28 tables of 27 entries of ten bits", () => {
    expect(tableBits(16)).toBe(120_960);
  });
});

describe("beside the published build, whose Q is not stated", () => {
  test("the linears alone keep up with 143 tokens a second from Q = 5 on", () => {
    const tokensPerSecond = (q: number) =>
      250e6 / ofBitNet((rows, columns) => costOf(rows, columns, 1, q).stages[0][0].cycles);
    expect(tokensPerSecond(4)).toBeLessThan(143);
    expect(tokensPerSecond(6)).toBeGreaterThan(143);
  });

  test("reading the words alone allows 107 tokens a second; 25 are published, which this does not explain", () => {
    const cycles = ofBitNet((rows, columns) => {
      const cost = costOf(rows, columns, 1, 16);
      expect(boundOf(cost).name).toBe("weight stream");
      return cyclesOf(cost);
    });
    expect(250e6 / cycles).toBeCloseTo(106, -1);
  });
});

test("a prompt waits for lookups, one token for words", () => {
  expect(boundOf(costOf(4096, 1536, 128, 16)).name).toBe("lookups");
  expect(boundOf(costOf(4096, 1536, 1, 16)).name).toBe("weight stream");
});
