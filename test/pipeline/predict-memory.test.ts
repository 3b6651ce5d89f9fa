import { describe, expect, test } from "vitest";
import { openModelCheckpoint } from "../../src/model/open-checkpoint.js";
import { planCheckpoint } from "../../src/pipeline/plan-checkpoint.js";
import { type PredictedModel, predictMemory } from "../../src/pipeline/predict-memory.js";
import { calibratedRecipe } from "./made-up-model.js";
import { bundledModel } from "./run.js";

/** A plan for the bundled model, and what it is of. */
async function planned(method: object, tokens: number, changes: object = {}): Promise<PredictedModel> {
  const checkpoint = await openModelCheckpoint(bundledModel);
  try {
    const { recipe } = calibratedRecipe([{ match: "*", quantize: method }], changes);
    return {
      ...(await planCheckpoint(checkpoint, recipe)),
      tensors: checkpoint.tensors,
      tokens,
      windowLength: 128,
    };
  } finally {
    await checkpoint.close();
  }
}

const rtn = { method: "rtn", bits: 4, group: 64 };
const gptq = { method: "gptq", bits: 4, group: 64 };

describe("what a run takes", () => {
  test("of methods that look at weights alone is one stage, whatever the text", async () => {
    const { stages, activationBytes } = predictMemory(await planned(rtn, 65536));
    expect(stages.map(({ stage }) => stage)).toEqual(["quantize"]);
    expect(activationBytes).toBe(0);
  });

  test("is the same of a model with twice the blocks", async () => {
    const model = await planned(gptq, 2048);
    const { description } = model;
    const taller = { ...description, blocks: [...description.blocks, ...description.blocks] };
    expect(predictMemory({ ...model, description: taller })).toEqual(predictMemory(model));
  });

  test("of fitted methods grows with the text by both streams, the input and the one before, and no further", async () => {
    const { description, ...model } = await planned(gptq, 4096);
    const widest = Math.max(...description.blocks.flat().map(({ columns }) => columns));
    const [half, whole] = [4096, 8192].map((tokens) => predictMemory({ ...model, description, tokens }));
    expect(whole.peakBytes - half.peakBytes).toBe(4 * 4096 * (3 * description.hiddenSize + widest));
  });

  test("of longer windows is more by the scores of attention, as far as they are computed at once", async () => {
    const model = await planned(gptq, 2 ** 16);
    const scores = [2 ** 12, 2 ** 15].map((windowLength) => {
      const { stages } = predictMemory({ ...model, windowLength, tokens: windowLength });
      return stages[stages.length - 1].fixedBytes;
    });
    expect(scores[0]).toBeGreaterThan(2 ** 27); // scores take at most so much at once
    expect(scores[1] - scores[0]).toBeLessThan(2 ** 30); // all scores of the longer window would take 64 times as much
  });

  test.each([
    ["a transform that looks at inputs", { transforms: [{ transform: "smoothquant" }] }, rtn, "transform"],
    ["rows that are chosen", {}, { method: "mixllm", group: 64 }, "choose"],
  ])("has a stage for %s", async (_, changes, method, stage) => {
    const { stages } = predictMemory(await planned(method, 2048, changes));
    expect(stages.map((each) => each.stage)).toContain(stage);
  });

  test("is most of the stages, each with its text", async () => {
    const { stages, peakBytes } = predictMemory(await planned({ method: "mixllm", group: 64 }, 2048));
    expect(peakBytes).toBe(
      Math.max(...stages.map(({ fixedBytes, activationBytes }) => fixedBytes + activationBytes)),
    );
  });
});
