import { z } from "zod";
import { taskNames } from "../evaluation/tasks/registry.js";
import { biasCorrections } from "../quantizers/bias-correction.js";
import { calibratedQuantizers, quantizers } from "../quantizers/registry.js";
import { intWidths } from "../schemes/activation.js";
import { targets } from "../targets/registry.js";
import { transforms } from "../transforms/registry.js";

/*
 * What a recipe may say. One schema serves the parser, the types and the JSON Schema that editors complete from.
 */

/** No quantizer: a linear becomes what the checkpoint already holds it as. */
const stored = z.strictObject({ method: z.literal("stored") });

const quantize = z
  .discriminatedUnion("method", [
    ...asUnion(
      [...quantizers, ...calibratedQuantizers].map(({ name, options }) =>
        options.extend({ method: z.literal(name) }),
      ),
    ),
    stored,
  ])
  .describe("a quantizer and its options");

const activation = z
  .discriminatedUnion("scheme", [
    z.strictObject({ scheme: z.literal("float") }),
    z.strictObject({
      scheme: z.enum(intWidths),
      per: z
        .union([z.literal("token"), z.literal("tensor"), z.int().positive()])
        .default("token")
        .describe(
          "what shares a scale: a token, a number of consecutive inputs of it, or `tensor`: everything, by a scale measured on calibration text",
        ),
    }),
  ])
  .describe("how the linear's input is represented");

const rule = z.strictObject({
  match: z
    .union([z.string(), z.array(z.string()).min(1)])
    .describe(
      "names of linears, with * for any run of characters; the first rule that matches a linear decides",
    ),
  keep: z.literal("float").optional().describe("leave these linears as they are"),
  quantize: quantize.optional(),
  activation: activation.optional(),
  biasCorrection: z
    .enum(biasCorrections)
    .optional()
    .describe(
      "a bias from the calibration text, in place of the linear's: `own` makes up for the mean error that its weights make, `float` for that of its inputs too, `dead-zone` for that of weights whose trits are zero (Tequila)",
    ),
});

/** What a search may choose for a linear. */
export const candidatesSchema = z
  .array(rule.pick({ quantize: true, activation: true }).required({ quantize: true }))
  .min(1)
  .describe("what a search chooses from");

/** A transform and its options. */
export interface TransformChoice {
  readonly transform: string;
  readonly [option: string]: unknown;
}

const transform = z
  .discriminatedUnion(
    "transform",
    asUnion(
      transforms.map(({ name, summary, options }) =>
        options.extend({ transform: z.literal(name) }).describe(summary),
      ),
    ),
  )
  .describe(
    "a change of the float model before anything is quantized",
  ) as unknown as z.ZodType<TransformChoice>;

const target = z
  .discriminatedUnion(
    "target",
    asUnion(targets.map(({ name, parameters }) => parameters.extend({ target: z.literal(name) }))),
  )
  .describe("a hardware to pack for, and its layout's parameters");

/** Where a text comes from. */
const text = {
  text: z.string().optional().describe("a UTF-8 text file, relative to the recipe's folder"),
  dataset: z.string().optional().describe("a named data set or a hub id, instead of a text file"),
  config: z.string().optional().describe("the hub data set's configuration"),
  column: z.string().optional().describe("the hub data set's column of texts; `text` by default"),
};

const calibration = z
  .strictObject({
    ...text,
    split: z.string().default("train"),
    samples: z
      .int()
      .min(1)
      .optional()
      .describe("windows of the text, evenly spread; by default as many as have 65,536 tokens: 128 of 512"),
    length: z
      .int()
      .min(2)
      .optional()
      .describe("tokens a window; by default the model's context, at most 512"),
  })
  .describe("the text that methods which need one are fitted to");

const perplexity = z.strictObject({
  task: z.literal("perplexity"),
  ...text,
  split: z.string().default("test"),
  context: z
    .int()
    .min(2)
    .optional()
    .describe("tokens a window; by default the model's context, at most 2048"),
});

const taskEvaluation = z.strictObject({
  task: z
    .enum(taskNames)
    .describe("a benchmark (`luthier tasks`), or all of a group: `glue:sst2`, `glue`, `arc-easy`"),
  data: z
    .string()
    .optional()
    .describe("a table, or a folder of tables, in place of the hub's data; relative to the recipe's folder"),
  shotsData: z.string().optional().describe("the same for solved examples"),
  shots: z.int().min(0).optional().describe("solved examples before each; by default as the task is defined"),
  limit: z.int().min(1).optional().describe("the first so many examples only"),
});

const evaluation = z.discriminatedUnion("task", [perplexity, taskEvaluation]);

export const recipeSchema = z.strictObject({
  version: z.literal(1),
  seed: z.int().min(0).default(0).describe("of everything random; recorded with the run"),
  calibration: calibration.optional(),
  transforms: z.array(transform).default([]),
  rules: z.array(rule).min(1),
  targets: z.array(target).default([]),
  evaluate: z.array(evaluation).default([]),
});

/** A recipe as resolved: every default filled in. */
export type Recipe = z.infer<typeof recipeSchema>;
export type Rule = Recipe["rules"][number];
/** What a rule says of the linears that it quantizes. */
export type Quantizing = Omit<Rule, "match" | "keep" | "quantize"> & { readonly quantize: QuantizeChoice };
export type QuantizeChoice = NonNullable<Rule["quantize"]>;
export type TargetChoice = Recipe["targets"][number];
export type CalibrationChoice = NonNullable<Recipe["calibration"]>;
export type EvaluationChoice = Recipe["evaluate"][number];
export type PerplexityChoice = z.infer<typeof perplexity>;

export function isPerplexity(choice: EvaluationChoice): choice is PerplexityChoice {
  return choice.task === "perplexity";
}

/** Whether a choice is no quantizer but the scheme that the checkpoint holds. */
export function isStored(choice: QuantizeChoice | undefined): boolean {
  return choice?.method === "stored";
}

/**
 * What of a recipe decides the bytes of `quantized/`. Targets and evaluations may change between two calls of one run:
 * packs and scores are added, nothing is quantized again. Where the calibration text lies decides nothing; its content does,
 * whose hash is beside this wherever runs are compared.
 */
export function quantizingPart({ version, seed, rules, calibration, transforms }: Recipe) {
  const windows = calibration && { samples: calibration.samples, length: calibration.length };
  return {
    version,
    seed,
    rules,
    ...(windows && { calibration: windows }),
    ...(transforms.length > 0 && { transforms }),
  };
}

/** The JSON Schema of a recipe file, draft 2020-12. */
export function recipeJsonSchema(): object {
  return { title: "Luthier recipe", ...z.toJSONSchema(recipeSchema, { io: "input" }) };
}

/** A registry as the non-empty tuple that zod's unions ask for. */
function asUnion<T>(options: readonly T[]): readonly [T, ...T[]] {
  const [first, ...rest] = options;
  return [first, ...rest];
}
