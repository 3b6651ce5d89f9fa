import type { Signal } from "../signal.js";
import { tokenSteps } from "./arithmetic.js";
import type { SignWeight } from "./layout.js";

const float16 = { kind: "float", bits: 16 } as const;

/** Every array of one token's product, in the order in which they arise. */
export function traceToken(token: Float32Array, weight: SignWeight): readonly Signal[] {
  const { rows, columns, kTile, planes } = weight;
  const { input, tables, inputSums, lookupSums, tileOutputs, output } = tokenSteps(token, weight);
  const tiles = columns / kTile;
  return [
    {
      name: "input",
      what: "the token, [K]",
      format: { kind: "float", bits: 32 },
      shape: [columns],
      values: token,
    },
    {
      name: "input-float16",
      what: "the token as the kernel takes it, [K]",
      format: float16,
      shape: [columns],
      values: input,
    },
    {
      name: "table-entries",
      what: "signed sums of eight inputs, [K / 8, 256]",
      format: float16,
      shape: [columns / 8, 256],
      values: tables,
    },
    ...(inputSums
      ? [
          {
            name: "input-sums",
            what: `sums of ${kTile} inputs, for the bias, [K / ${kTile}]`,
            format: float16,
            shape: [tiles],
            values: inputSums,
          },
        ]
      : []),
    {
      name: "lookup-sums",
      what: `sums of the ${kTile / 8} table entries of a tile, [K / ${kTile}, plane, N]`,
      format: float16,
      shape: [tiles, planes, rows],
      values: lookupSums,
    },
    {
      name: "tile-outputs",
      what: `what each tile adds to the output, [K / ${kTile}, N]`,
      format: float16,
      shape: [tiles, rows],
      values: tileOutputs,
    },
    {
      name: "output",
      what: "the tiles added in ascending order, [N]",
      format: float16,
      shape: [rows],
      values: output,
    },
  ];
}
