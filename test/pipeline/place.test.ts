import { expect, test } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.js";
import { describeModel } from "../../src/model/model.js";
import { sharingOf } from "../../src/pipeline/place.js";
import { bundledModel } from "./run.js";

/** The first block of the bundled model: 256 wide, 4 heads of 64, 2 of keys and values, 768 in the feed-forward layers. */
async function firstBlock() {
  const { config, tensors, close } = await openCheckpoint(bundledModel);
  await close();
  return describeModel(config, (name) => tensors.get(name)?.shape).blocks[0];
}

test("linears after one norm share its output; queries, keys and values are one attention", async () => {
  const block = await firstBlock();
  const shared = block.map((linear) => [linear.name.split(".").at(-1), sharingOf(linear, block)]);
  const attention = { inputRows: 256 + 128 + 128, attentionRows: 256 + 128 + 128 };
  expect(Object.fromEntries(shared)).toEqual({
    ...{ q_proj: attention, k_proj: attention, v_proj: attention },
    o_proj: { inputRows: 256, attentionRows: 256 },
    gate_proj: { inputRows: 2 * 768, attentionRows: 768 },
    up_proj: { inputRows: 2 * 768, attentionRows: 768 },
    down_proj: { inputRows: 256, attentionRows: 256 },
  });
});

test("only quantized linears share", async () => {
  const block = await firstBlock();
  const keys = block.filter(({ name }) => name.endsWith("k_proj"));
  expect(sharingOf(keys[0], keys)).toEqual({ inputRows: 128, attentionRows: 128 });
});
