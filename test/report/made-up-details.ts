import type { LinearHistogram } from "../../src/report/linear-histograms.js";
import type { RunDetails } from "../../src/report/run-details.js";
import type { SearchFile } from "../../src/report/search-file.js";

export const noDetails: RunDetails = {
  histograms: { linears: [], withoutCheckpoint: null },
  ...{ search: null, estimates: [], leftOut: [] },
};

/** A search that found INT3 and INT4 in turns. */
export function madeUpSearch(names: readonly string[]): SearchFile {
  const option = (bits: number, loss: number) => ({
    ...{ candidate: { name: `rtn: int${bits} g128` }, bitsPerWeight: bits + 0.1875, loss, error: loss / 2 },
  });
  return {
    ...{ model: "tiny", text: { name: "a.txt", probedTokens: 1024 } },
    found: { bitsPerWeight: 3.5, divergence: 0.04 },
    uniform: [
      { ...option(3, 0.1), divergence: 0.09 },
      { ...option(4, 0.02), divergence: 0.02 },
    ],
    compared: [{ name: "runs/other", bitsPerWeight: 3.3, divergence: 0.06 }],
    linears: names.map((name, at) => ({
      ...{
        name,
        weights: 65536,
        options: [option(3, 0.001 * 1.02 ** at), option(4, 0.0001)],
        chosen: at % 2,
      },
    })),
  };
}

/** 96 bins of weights, INT4 levels, 40 bins of input channels. */
export function madeUpHistogram(name: string): LinearHistogram {
  const bins = (count: number) => ({
    ...{
      first: -0.123456789,
      width: 0.0123456789,
      counts: Array.from({ length: count }, (_, at) => 1 + at * at),
    },
  });
  return {
    ...{ name, relativeError: 0.1 },
    weights: { ...bins(96), of: "checkpoint" },
    grid: {
      row: 3,
      firstColumn: 0,
      lastColumn: 127,
      levels: Array.from({ length: 16 }, (_, at) => at / 16 - 0.5),
    },
    inputs: { tokens: 65536, channels: 1024, largest: bins(40), rootMeanSquare: bins(40) },
  };
}
