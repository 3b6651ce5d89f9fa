import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { openTokenizer } from "../../src/checkpoint/tokenizer.js";
import { openKernels } from "../../src/kernels/open.js";
import { openModelAt } from "../../src/pipeline/open-model.js";
import { packRun } from "../../src/pipeline/pack.js";
import { verifyRun } from "../../src/pipeline/verify.js";
import { bitnetCpp } from "../../src/targets/bitnet-cpp/bitnet-cpp.js";
import { bundledModel, quantizeBundled, temporaryFolder } from "./run.js";

/* Four kernels order the same codes in four ways: each pack verifies, and all give the same logits. */

test("every kernel of bitnet-cpp verifies, and all engines and kernels give the same logits", async () => {
  const run = temporaryFolder();
  await quantizeBundled("bitnet-ternary", run);
  const text = path.join(import.meta.dirname, "../../calibration/the-fiddle-maker.txt");
  const tokens = (await openTokenizer(bundledModel)).encode(readFileSync(text, "utf8").slice(0, 100));
  const native = openKernels();
  const logits = [];
  for (const kernel of ["i2_s-x86", "i2_s-arm", "tl1", "tl2"] as const) {
    const parameters = bitnetCpp.parameters.parse({ kernel });
    await packRun({ run, target: { target: "bitnet-cpp", ...parameters } });
    expect(await verifyRun(run, native)).toMatchObject({ packedLinears: 56, faults: [] }); // tellme's as well
    for (const kernels of [native, openKernels({ path: "reference" })]) {
      const { model, close } = await openModelAt({ path: run, engine: "lut", target: "bitnet-cpp", kernels });
      logits.push((await model.logits(tokens)).data);
      await close();
    }
  }
  expect(logits[0].some((value) => value !== 0)).toBe(true);
  for (const other of logits.slice(1)) expect(other).toEqual(logits[0]);
});

test("tiles that do not divide a linear are refused in the plan, by name", async () => {
  const file = path.join(temporaryFolder(), "tiles.yaml");
  const rule = { match: "*.layers.*", ...bitnetCpp.typical };
  const recipe = {
    version: 1,
    rules: [rule, { match: "*", keep: "float" }],
    targets: [{ target: "bitnet-cpp", kernel: "tl1", tileRows: 160 }],
  };
  writeFileSync(file, JSON.stringify(recipe));
  await expect(quantizeBundled(file, temporaryFolder())).rejects.toThrow(
    /model\.layers\.0\.self_attn\.q_proj, .*: bitnet-cpp: its 256 outputs are no whole tiles of 160/,
  );
});
