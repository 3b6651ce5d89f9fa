import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type NamedTensor, writeSafetensors } from "../../../src/checkpoint/safetensors.js";
import type { ModelDescription } from "../../../src/model/architecture.js";
import { linearsOf } from "../../../src/model/architecture.js";
import { describeModel, type Model } from "../../../src/model/model.js";
import { openModelCheckpoint } from "../../../src/model/open-checkpoint.js";
import { openOps } from "../../../src/model/ops.js";
import { rowsOf } from "../../../src/tensor/matrix.js";
import { temporaryFolder } from "../../checkpoint/folder.js";
import fixture from "../../fixtures/families.json" with { type: "json" };
import { furthestApart } from "../furthest-apart.js";
import { generatedSource, openGenerated, type Shapes } from "../generated-checkpoint.js";

/* What families compute on small generated checkpoints, against what transformers computes (../../fixtures/families.json). */

export interface Variant {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: Shapes;
}

interface Input {
  readonly tokens: readonly number[];
  readonly types?: readonly number[];
}

interface Causal extends Variant {
  readonly windows: readonly (readonly number[])[];
  readonly positions: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly meanNegativeLogLikelihood: readonly number[];
}

interface Classification extends Variant {
  readonly inputs: readonly (Input & { readonly logits: readonly number[] })[];
}

interface Answering extends Variant {
  readonly inputs: readonly (Input & {
    readonly start: readonly number[];
    readonly end: readonly number[];
  })[];
}

const families: {
  readonly causal: Readonly<Record<string, Causal>>;
  readonly classification: Readonly<Record<string, Classification>>;
  readonly answering: Readonly<Record<string, Answering>>;
} = fixture;

/** The furthest that a logit may be from transformers'. Logits are below 40; float32 sums in another order are no closer. */
const tolerance = 1e-4;

const ops = openOps({ threads: 1 });

/** Tests of every variant of a family in the fixture. @param family the variants' names begin with it. */
export function describeFamily(family: string): void {
  afterAll(() => ops.close());
  const ofFamily = <V extends Variant>(variants: Readonly<Record<string, V>>) =>
    Object.entries(variants).filter(([name]) => name === family || name.startsWith(`${family}, `));

  for (const [name, variant] of ofFamily(families.causal)) {
    describe(`causal: ${name}`, () => {
      testTensors(variant);

      test("logits are those of transformers", async () => {
        await withModel(variant, async (model) => {
          const logits = await model.logits(Int32Array.from(variant.windows[0]));
          for (const [i, position] of variant.positions.entries()) {
            const row = rowsOf(logits, position, position + 1).data;
            expect(furthestApart(row, variant.logits[i])).toBeLessThan(tolerance);
          }
        });
      });

      test("log-likelihoods of two windows in one batch are those of transformers", async () => {
        await withModel(variant, async (model) => {
          const scores = await model.score(variant.windows.map((window) => Int32Array.from(window)));
          const means = scores.map((score) => -score.reduce((sum, value) => sum + value, 0) / score.length);
          expect(furthestApart(means, variant.meanNegativeLogLikelihood)).toBeLessThan(tolerance);
        });
      });
    });
  }

  for (const [name, variant] of ofFamily(families.classification)) {
    describe(`classification: ${name}`, () => {
      testTensors(variant);

      test("logits of classes are those of transformers", async () => {
        await withModel(variant, async (model) => {
          const logits = await model.readout(variant.inputs.map(textOf));
          for (const [i, { logits: expected }] of variant.inputs.entries())
            expect(furthestApart(logits[i].data, expected)).toBeLessThan(tolerance);
        });
      });
    });
  }

  for (const [name, variant] of ofFamily(families.answering)) {
    describe(`answering: ${name}`, () => {
      testTensors(variant);

      test("logits of starts and ends are those of transformers", async () => {
        await withModel(variant, async (model) => {
          const logits = await model.readout(variant.inputs.map(textOf));
          for (const [i, { start, end }] of variant.inputs.entries()) {
            const expected = start.flatMap((value, at) => [value, end[at]]);
            expect(furthestApart(logits[i].data, expected)).toBeLessThan(tolerance);
          }
        });
      });
    });
  }
}

/** A causal variant of the fixture, by its name. */
export function causalVariant(name: string): Causal {
  return families.causal[name];
}

/** A classifier of the fixture, by its name. */
export function classificationVariant(name: string): Classification {
  return families.classification[name];
}

/** A classifier's logits of some texts. */
export async function classesOf(
  variant: Classification,
  texts: readonly { readonly tokens: readonly number[]; readonly segments: readonly number[] | null }[],
): Promise<readonly Float32Array[]> {
  return withModel(variant, async (model) => {
    const inputs = texts.map(({ tokens, segments }) => textOf({ tokens, types: segments ?? undefined }));
    return (await model.readout(inputs)).map(({ data }) => data);
  });
}

/** Of some logits how far those of a changed variant are from transformers'. */
export async function distanceOf(
  variant: Causal,
  changes: Readonly<Record<string, unknown>>,
): Promise<number> {
  return withModel({ ...variant, config: { ...variant.config, ...changes } }, async (model) => {
    const logits = await model.logits(Int32Array.from(variant.windows[0]));
    return furthestApart(rowsOf(logits, logits.rows - 1, logits.rows).data, variant.logits[2]);
  });
}

/** Describes a variant whose configuration or tensors are changed. */
export function describeChanged(
  { config, tensors }: Variant,
  changes: Readonly<Record<string, unknown>>,
  shapes: Readonly<Record<string, readonly number[] | undefined>> = {},
): ModelDescription {
  const all: Readonly<Record<string, readonly number[] | undefined>> = { ...tensors, ...shapes };
  return describeModel({ ...config, ...changes }, (name) => all[name]);
}

function testTensors(variant: Variant): void {
  test("every tensor is named once: as a linear, its bias, the head or a float tensor", async () => {
    await withModel(variant, async ({ description }) => {
      const tensors = linearsOf(description).map((linear) => linear.tensor);
      const named = [...new Set([...tensors, ...description.floatTensors])];
      expect(named).toHaveLength(Object.keys(variant.tensors).length);
    });
  });
}

function textOf({ tokens, types }: Input) {
  return { tokens: Int32Array.from(tokens), segments: types ? Int32Array.from(types) : null };
}

/** A model on a checkpoint's files, with its tensors as the fixture names them. */
async function withModel<Result>(variant: Variant, use: (model: Model) => Promise<Result>): Promise<Result> {
  const checkpoint = await openModelCheckpoint(await writeCheckpoint(variant));
  try {
    return await use(openGenerated(checkpoint.config, checkpoint, ops));
  } finally {
    await checkpoint.close();
  }
}

async function writeCheckpoint({ config, tensors }: Variant): Promise<string> {
  const folder = await temporaryFolder();
  const generated = generatedSource(tensors);
  const stored: NamedTensor[] = [];
  for (const [name, shape] of Object.entries(tensors))
    stored.push({ name, dtype: "F32", shape, bytes: await generated.read(name) });
  await writeFile(path.join(folder, "config.json"), JSON.stringify(config));
  await writeSafetensors(path.join(folder, "model.safetensors"), stored);
  return folder;
}
