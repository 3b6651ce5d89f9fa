import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openTensors, readVector } from "../../src/checkpoint/tensors.js";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { openKernels } from "../../src/kernels/open.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { packRun } from "../../src/pipeline/pack.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { tellme } from "../../src/targets/tellme/tellme.js";
import { numberToFloat16 } from "../../src/tensor/float.js";
import { bundledModel, quantizeBundled, temporaryFolder } from "./run.js";

/* Hardware layouts that depend on the model: sizes, heads and norms reach the target, and scores stay the same. */

const kernels = openKernels();

test("every image of tellme verifies and gives the same logits; packets carry the checkpoint's norms", async () => {
  const run = temporaryFolder();
  await quantizeBundled("bitnet-ternary", run);
  const text = path.join(import.meta.dirname, "../../calibration/the-fiddle-maker.txt");
  const tokens = (await openTokenizer(bundledModel)).encode(readFileSync(text, "utf8").slice(0, 100));
  const logits = async () => {
    const { model, close } = await openModelAt({ path: run, engine: "lut", kernels });
    const { data } = await model.logits(tokens);
    await close();
    return data;
  };
  const plain = await logits();
  for (const image of ["packets", "uram"] as const) {
    const parameters = tellme.parameters.parse({ image, rotaryRows: "paired" });
    const { linears } = await packRun({ run, target: { target: "tellme", ...parameters } });
    expect(await verifyRun(run, kernels)).toMatchObject({ packedLinears: 28, faults: [] });
    expect(await logits()).toEqual(plain);
    const headSizes = new Set(
      linears.map(({ name, layout }) => `${name.split(".").at(-1)} ${layout.pairedHeadSize}`),
    );
    expect([...headSizes]).toEqual([
      ...["q_proj 64", "k_proj 64", "v_proj 0", "o_proj 0"],
      ...["gate_proj 0", "up_proj 0", "down_proj 0"],
    ]);
    if (image !== "packets") continue;
    const linear = "model.layers.1.mlp.up_proj";
    const pack = await openTensors([path.join(run, `packs/tellme/linears/${linear}.safetensors`)]);
    const kept = await openTensors([path.join(run, "quantized/kept.safetensors")]);
    const bytes = await pack.read("plane0.packets");
    const norm = await readVector(kept, "model.layers.1.post_attention_layernorm.weight", kernels);
    for (const [k, weight] of norm.entries()) {
      const at = 96 * k + 87; // bit 700 is bit 4 of byte 87
      const bits = ((bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16)) >> 4) & 0xffff;
      expect(bits).toBe(numberToFloat16(weight));
    }
    await pack.close();
    await kept.close();
  }
});

test("a head that does not lie in the URAM array is refused in the plan, by name", async () => {
  const file = path.join(temporaryFolder(), "head.yaml");
  const rule = {
    match: "*",
    quantize: { method: "absmean", group: "tensor" },
    activation: { scheme: "int8", per: "token" },
  };
  const recipe = { version: 1, rules: [rule], targets: [{ target: "tellme", image: "uram" }] };
  writeFileSync(file, JSON.stringify(recipe));
  await expect(quantizeBundled(file, temporaryFolder())).rejects.toThrow(/lm_head: tellme: .* need 8 blocks/);
});
