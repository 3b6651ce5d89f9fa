import { expect, test } from "vitest";
import type { TensorInfo } from "../../src/checkpoint/safetensors.js";
import type { ModelDescription } from "../../src/model/architecture.js";
import { describeModel } from "../../src/model/model.js";
import { makePlan } from "../../src/pipeline/plan.js";
import { parseRecipe } from "../../src/recipe/parse.js";
import fixture from "../fixtures/llama-variants.json" with { type: "json" };

const { config, tensors } = fixture.variants["llama, every head its own key"] as {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: Readonly<Record<string, readonly number[]>>;
};
const llama = describeModel(config, (name) => tensors[name]);
const text = { text: "text.txt" };
const rtn = { match: "*", quantize: { method: "rtn", group: "row" } };

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
    "transform pairing: it is not known which tensors of a llama share their channels — remove `transforms` from the recipe, or",
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
