import { expect, test } from "vitest";
import type { TensorInfo } from "../../src/checkpoint/safetensors.js";
import type { ModelDescription } from "../../src/model/architecture.js";
import { describeModel } from "../../src/model/model.js";
import { makePlan } from "../../src/pipeline/plan.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import { llamaVariants } from "../model/llama-variants.js";

const { config, tensors } = llamaVariants["llama, every head its own key"];
const llama = describeModel(config, (name) => tensors[name]);
const text = { text: "text.txt" };
const rtn = { match: "*", quantize: { method: "rtn", group: "row" } };

const awq = { transform: "awq" };

function plan(
  changes: object,
  { description = llama, more = [] }: { description?: ModelDescription; more?: readonly string[] } = {},
) {
  const recipe = { version: 1, calibration: text, transforms: [{ transform: "pairing" }], rules: [rtn] };
  const info: TensorInfo = { dtype: "F32", shape: [], file: "", begin: 0, bytes: 4 };
  const names = [...Object.keys(tensors), ...more];
  return () =>
    makePlan(description, config, parseRecipe(JSON.stringify({ ...recipe, ...changes }), "r.yaml"), {
      tensors: new Map(names.map((name) => [name, info])),
    });
}

test("the plan has the recipe's transforms", () => {
  expect(plan({})().transforms).toEqual([{ transform: "pairing" }]);
  expect(plan({ transforms: undefined })().transforms).toEqual([]);
});

test("without a calibration text a transform is refused", () => {
  expect(plan({ calibration: undefined })).toThrow(
    "transform pairing: it is fitted to what the model computes, and the recipe has no text for it — add `calibration:",
  );
});

test("a family that does not say which channels belong together is refused", () => {
  expect(plan({}, { description: { ...llama, channels: [] } })).toThrow(
    "transform pairing: it is not known which tensors of a llama share their channels — remove it from `transforms`, or",
  );
});

test("linears that are taken as they are stored are refused by name", () => {
  const rules = [{ match: "*.o_proj", quantize: { method: "stored" } }, rtn];
  const activation = { scheme: "float" } as const;
  const outline = {
    scheme: "int",
    rows: 32,
    columns: 32,
    group: 32,
    scaleRows: 32,
    bits: 4,
    symmetric: true,
  } as const;
  const stored = new Map(
    [0, 1].map((i) => [`model.layers.${i}.self_attn.o_proj`, { activation, weight: outline }] as const),
  );
  const recipe = { version: 1, calibration: text, transforms: [{ transform: "pairing" }], rules };
  expect(() => makePlan(llama, config, parseRecipe(JSON.stringify(recipe), "r.yaml"), { stored })).toThrow(
    "model.layers.0.self_attn.o_proj, model.layers.1.self_attn.o_proj: pairing changes its weights, but its codes are taken as they are stored — remove `transforms`",
  );
});

test.each(["_scale_inv", "_scale"])("weights that share scales by %s are refused by name", (suffix) => {
  const name = "model.layers.0.mlp.up_proj.weight";
  expect(plan({}, { more: [name + suffix] })).toThrow(
    `tensor ${name}: pairing changes them, but they share scales — remove \`transforms\` from the recipe, or take the checkpoint in BF16`,
  );
  expect(plan({ transforms: [] }, { more: [name + suffix] })).not.toThrow();
});

test("a family that does not say where its inputs can be scaled is refused", () => {
  expect(plan({ transforms: [awq] }, { description: { ...llama, scalable: [] } })).toThrow(
    "transform awq: it is not known where the inputs of a llama can be scaled — remove it from `transforms`, or",
  );
});

test("scales together with norms without weights are refused, in either order", () => {
  for (const transforms of [
    [{ transform: "fold-norms" }, { transform: "smoothquant" }],
    [{ transform: "smoothquant" }, { transform: "fold-norms" }],
  ]) {
    expect(plan({ transforms })).toThrow(
      "transform smoothquant: fold-norms leaves norms without the weights that its scales are in — remove it or fold-norms from `transforms`",
    );
  }
});

test("a transform that the recipe has twice is refused", () => {
  expect(plan({ transforms: [awq, awq] })).toThrow(
    "transform awq: the recipe has it twice — remove it but once",
  );
});

test("linears of a method that no search can stand in for are refused by name", () => {
  const rules = [{ match: "*.mlp.*", quantize: { method: "co-quantization" } }, rtn];
  expect(plan({ transforms: [awq], rules })).toThrow(
    "model.layers.0.mlp.gate_proj, model.layers.0.mlp.up_proj, model.layers.0.mlp.down_proj and 3 more: awq searches with what a method makes of weights alone, and co-quantization has neither that nor bits and a group to round with instead — use another method, or remove awq from `transforms`",
  );
  expect(plan({ transforms: [{ transform: "smoothquant" }], rules })).not.toThrow();
  const fitted = [
    { match: "lm_head", keep: "float" },
    { match: "*", quantize: { method: "awq", group: "row" } },
  ];
  expect(plan({ transforms: [awq], rules: fitted })).not.toThrow();
});
