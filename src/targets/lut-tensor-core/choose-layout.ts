import { z } from "zod";
import { describeActivation, isPerToken } from "../../schemes/activation.js";
import { beyondTrits } from "../../schemes/planes.js";
import type { ActivationScheme, GridOutline } from "../../schemes/scheme.js";
import { damagedPack, type PackedGrid, type Refusal } from "../target.js";
import type { InputFormat, Layout } from "./layout.js";

export const parameters = z.strictObject({
  floatInput: z
    .enum(["float16", "e4m3", "e5m2"])
    .default("float16")
    .describe("what a float input is rounded to before the tables are made"),
  tileTokens: z.int().min(1).max(256).default(2).describe("M of a tile: tokens that share its selectors"),
  tileOutputs: z
    .int()
    .min(32)
    .max(4096)
    .multipleOf(32)
    .default(64)
    .describe("N of a tile: outputs that share a table"),
  tileInputs: z
    .union([z.literal(4), z.literal(8), z.literal(16), z.literal(32)])
    .default(4)
    .describe("K of a tile: inputs whose tables are read at once, four a table"),
  tableScale: z
    .enum(["absmax", "power-of-two"])
    .default("absmax")
    .describe("the unit of INT8 table entries: absmax / 127, or the least power of two that is not below it"),
  tableGroup: z
    .union([4, 8, 16, 32, 64, 128].map((inputs) => z.literal(inputs)))
    .default(4)
    .describe("inputs whose tables share one scale; 4 is one a table, as published"),
});

export type Parameters = z.infer<typeof parameters>;

/** The layout of a linear, or why it has none. */
export function layoutOf(
  weight: GridOutline,
  activation: ActivationScheme,
  chosen: Parameters,
): Layout | Refusal {
  const beyond = weight.scheme === "planes" ? beyondTrits(weight) : null;
  if (beyond)
    return { reason: beyond, fix: "quantize with `rtn` or `trit-planes`, or choose the target lut-gemm" };
  const bits = weight.scheme === "int" ? weight.bits : 2;
  const passes = weight.scheme === "int" ? 1 : weight.planes;
  const { rows, columns, group, scaleRows } = weight;
  const { tileTokens, tileOutputs, tileInputs } = chosen;
  if (bits > 4)
    return { reason: `its codes have ${bits} bits, this target takes 1 to 4`, fix: "use 4 bits or fewer" };
  if (scaleRows === 1 && group !== columns)
    return {
      reason: `rows share its scales of groups of ${group}`,
      fix: "use one scale a group, row or tensor",
    };
  if (rows % tileOutputs !== 0) {
    return {
      reason: `its ${rows} outputs are no whole tiles of ${tileOutputs}`,
      fix: "keep these linears float, or set tileOutputs to a multiple of 32 that divides them",
    };
  }
  if (columns % tileInputs !== 0 || group % tileInputs !== 0) {
    return {
      reason: `its ${columns} inputs in groups of ${group} are no whole tiles of ${tileInputs}`,
      fix: "use a group that is a multiple of tileInputs, or keep these linears float",
    };
  }
  if (activation.scheme !== "float" && !isPerToken(activation, "int8", "int16")) {
    return {
      reason: `its activations are ${describeActivation(activation)}, this target takes INT8 or INT16 per token, or float`,
      fix: "use `{ scheme: int8, per: token }`, int16, or drop `activation` from the rule",
    };
  }
  const tables =
    activation.scheme === "float" ? roundedTables(group, chosen) : exactTables(weight, bits, activation);
  if ("reason" in tables) return tables;
  const sums = activation.scheme === "float" ? "fp32" : "int32";
  const formats = `${nameOf[tables.input]}int${bits}${sums}${sums}`;
  const instruction = `lmma.m${tileTokens}n${tileOutputs}k${tileInputs}.${formats}`;
  return { instruction, bits, passes, tileTokens, tileOutputs, tileInputs, ...tables };
}

type TableLayout = Pick<Layout, "input" | "tableScale" | "tableGroup">;

function roundedTables(
  group: number,
  { floatInput, tableScale, tableGroup }: Parameters,
): TableLayout | Refusal {
  if (group % tableGroup === 0) return { input: floatInput, tableScale, tableGroup };
  return {
    reason: `its groups of ${group} inputs are no whole runs of ${tableGroup} that share a table scale`,
    fix: "set tableGroup to a divisor of the group; 4 always is one",
  };
}

/** Entries of integer inputs are exact, and so are sums over a weight group as long as INT32 holds them. */
function exactTables(
  weight: GridOutline,
  bits: number,
  { scheme }: { readonly scheme: "int8" | "int16" },
): TableLayout | Refusal {
  const largestInput = scheme === "int8" ? 127 : 32767;
  const largestWeight = 2 ** bits - 1;
  const largestZero = weight.scheme === "int" && !weight.symmetric ? largestWeight : 1;
  if ((largestWeight + largestZero) * largestInput * weight.group < 2 ** 31)
    return { input: scheme, tableScale: "exact", tableGroup: weight.group };
  return {
    reason: `sums of ${weight.group} ${scheme} inputs and ${bits}-bit weights exceed the INT32 accumulators`,
    fix: "use a smaller group, fewer bits, or int8 activations",
  };
}

const nameOf: Record<InputFormat, string> = {
  float16: "fp16",
  e4m3: "fp8e4m3",
  e5m2: "fp8e5m2",
  int8: "int8",
  int16: "int16",
};

/** @throws LuthierError when the pack's layout is none, or not one of its weight. */
export function layoutIn({ weight, layout }: PackedGrid): Layout {
  const { input } = layout;
  const integer = input === "int8" || input === "int16";
  const { tileTokens, tileOutputs, tileInputs, tableScale, tableGroup } = layout;
  const tables = integer ? {} : { floatInput: input, tableScale, tableGroup };
  const read = parameters.safeParse({
    ...{ floatInput: "float16", tableScale: "absmax", tableGroup: 4 },
    ...{ tileTokens, tileOutputs, tileInputs, ...tables },
  });
  if (!read.success)
    throw damagedPack(`its layout is none of lut-tensor-core: ${z.prettifyError(read.error)}`);
  const activation: ActivationScheme = integer ? { scheme: input, per: "token" } : { scheme: "float" };
  const fitting = layoutOf(weight, activation, read.data);
  if ("reason" in fitting) throw damagedPack(fitting.reason);
  const facts = (value: object) => JSON.stringify(Object.entries(value).sort());
  if (facts(fitting) !== facts(layout)) {
    throw damagedPack(
      `its layout is ${JSON.stringify(layout)}, its weight asks for ${JSON.stringify(fitting)}`,
    );
  }
  return fitting;
}
