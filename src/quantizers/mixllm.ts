import { z } from "zod";
import type { IntScheme } from "../schemes/int.js";
import { cut, type Part, type PartsOutline, partsOf } from "../schemes/parts.js";
import { scaleGrid } from "../schemes/scale-grid.js";
import type { WeightScheme } from "../schemes/scheme.js";
import { dequantize } from "../schemes/weights.js";
import { type Matrix, matrix } from "../tensor/matrix.js";
import type {
  CalibratedQuantizer,
  CalibrationInputs,
  ChosenRows,
  FitContext,
  LinearShape,
  LinearToChooseFrom,
  LinearToFit,
} from "./calibrated-quantizer.js";
import { compensatedBytes } from "./compensated-weights.js";
import { gptq } from "./gptq.js";
import { secondMoments } from "./input-moments.js";
import { weightsOf } from "./linear-sizes.js";
import { outputErrors } from "./output-errors.js";
import { rtn } from "./rtn.js";

const options = z.strictObject({
  share: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("outputs of all linears of the rule together that have 8 bits"),
  group: z.int().positive().default(128).describe("consecutive inputs that share a scale"),
});
type MixLlmOptions = z.infer<typeof options>;

const wide = { bits: 8, symmetric: true } as const;
const narrow = { bits: 4, symmetric: false } as const;

/**
 * MixLLM: the outputs that suffer most from 4 bits have 8. They are ranked over all linears together, so that a linear may
 * have many and another none; both kinds are rounded with compensation.
 *
 * The published salience is the change of the loss by gradients, `|g·δ + (g·δ)²/2|` for the rounding error δ of a row and the
 * gradient g of its weights. Without gradients it is the change of the output here, as a share of the linear's outputs:
 * `δ H δᵀ / tr(W H Wᵀ)`, H the second moments of the float model's inputs.
 */
export const mixLlm: CalibratedQuantizer<MixLlmOptions> = {
  name: "mixllm",
  summary: "INT4 with INT8 for the outputs that need it most, ranked over all linears",
  source: "MixLLM, arXiv 2412.14590 and microsoft/MixLLM; salience by output errors, not by gradients",
  options,
  outline: plannedOutline,
  chooseRows,
  /** Rows that are cut out, beside what rounding them takes. */
  workingBytes: (linears) => 4 * weightsOf(linears) + compensatedBytes(linears, { aim: "own" }),
  async quantize(linears, inputs, chosen, context) {
    const rows = context.chosenRows ?? (await chooseAlone(linears, inputs, chosen, context));
    const wideRows = linears.map(({ name }) => rowsChosen(rows, name));
    const narrowRows = linears.map(({ weight }, at) => othersThan(wideRows[at], weight.rows));
    const round = (cuts: readonly Uint32Array[], bits: object) => {
      const compensated = gptq.options.parse({ ...bits, group: chosen.group, clip: true });
      return roundRows(linears, cuts, (some) => gptq.quantize(some, inputs, compensated, context));
    };
    const [ofEight, ofFour] = [await round(wideRows, wide), await round(narrowRows, narrow)];
    return linears.map((_, at) =>
      partsOf(
        "rows",
        [...ofEight[at], ...ofFour[at]],
        Uint32Array.from([...wideRows[at], ...narrowRows[at]]),
      ),
    );
  },
};

/** Some rows of each linear as a part; none where it has no such rows. */
async function roundRows(
  linears: readonly LinearToFit[],
  cuts: readonly Uint32Array[],
  quantize: (some: readonly LinearToFit[]) => Promise<readonly WeightScheme[]>,
): Promise<readonly (readonly Part[])[]> {
  const some = linears.flatMap((linear, at) => {
    const { length: rows } = cuts[at];
    return rows === 0 ? [] : { ...linear, rows, weight: cut(linear.weight, "rows", cuts[at]) };
  });
  const schemes = some.length === 0 ? [] : await quantize(some);
  let next = 0;
  return cuts.map(({ length }) => (length === 0 ? [] : [{ weight: schemes[next++] as IntScheme }]));
}

function rowsChosen(chosen: ChosenRows, name: string): Uint32Array {
  const rows = chosen.get(name);
  if (rows === undefined) throw new RangeError(`${name} was not there when rows were chosen`);
  return rows;
}

function othersThan(chosen: Uint32Array, rows: number): Uint32Array {
  const isChosen = new Set(chosen);
  return Uint32Array.from({ length: rows }, (_, row) => row).filter((row) => !isChosen.has(row));
}

/** As if each linear had its share: which rows have 8 bits is known only when all have been looked at. */
function plannedOutline({ rows, columns }: LinearShape, { share, group }: MixLlmOptions): PartsOutline {
  const chosen = Math.round(share * rows);
  const parts = [
    { weight: { scheme: "int", ...wide, ...scaleGrid(chosen, columns, group) } as const },
    { weight: { scheme: "int", ...narrow, ...scaleGrid(rows - chosen, columns, group) } as const },
  ];
  return { scheme: "parts", rows, columns, by: "rows", parts };
}

/** The most salient rows of all linears together, by the linear's name. */
async function chooseRows(
  linears: AsyncIterable<LinearToChooseFrom> | Iterable<LinearToChooseFrom>,
  { share, group }: MixLlmOptions,
  kernels: FitContext["kernels"],
): Promise<ChosenRows> {
  const candidates: { readonly name: string; readonly row: number; readonly salience: number }[] = [];
  const chosen = new Map<string, number[]>();
  for await (const { name, weight, second } of linears) {
    const rounded = await rtn.quantize(weight, { ...narrow, group, clip: true }, kernels);
    const errors = await outputErrors(difference(dequantize(rounded), weight), second, kernels);
    const outputs = sum(await outputErrors(weight, second, kernels));
    for (const [row, error] of errors.entries())
      candidates.push({ name, row, salience: error / (outputs || 1) });
    chosen.set(name, []);
  }
  candidates.sort((a, b) => b.salience - a.salience); // stable: of equals the first comes first
  for (const { name, row } of candidates.slice(0, Math.floor(share * candidates.length)))
    chosen.get(name)?.push(row);
  return new Map(Array.from(chosen, ([name, rows]) => [name, Uint32Array.from(rows).sort()]));
}

/** Among linears of one input, where nobody has looked at all. */
async function chooseAlone(
  linears: readonly LinearToFit[],
  inputs: CalibrationInputs,
  chosen: MixLlmOptions,
  { kernels }: FitContext,
): Promise<ChosenRows> {
  const { columns } = linears[0];
  const second = matrix(columns, columns, Float32Array.from(await secondMoments(inputs, kernels)));
  return chooseRows(
    linears.map((linear) => ({ ...linear, second })),
    chosen,
    kernels,
  );
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function difference(a: Matrix, b: Matrix): Matrix {
  return matrix(
    a.rows,
    a.columns,
    a.data.map((value, i) => value - b.data[i]),
  );
}
