import { expect, test } from "vitest";
import { linearPlace, partOf, shortNames } from "../../src/report/linear-place.js";

test("block and kind are told by the name, of any family", () => {
  expect(linearPlace("model.layers.12.self_attn.q_proj")).toEqual({ block: 12, kind: "self_attn.q_proj" });
  expect(linearPlace("transformer.h.0.mlp.c_fc")).toEqual({ block: 0, kind: "mlp.c_fc" });
  expect(linearPlace("lm_head")).toEqual({ block: null, kind: "lm_head" });
});

test("experts of one place are of one kind", () => {
  expect(linearPlace("model.layers.3.mlp.experts.17.up_proj")).toEqual({
    block: 3,
    kind: "mlp.experts.*.up_proj",
  });
});

test("kinds are called by as much of their end as tells them apart", () => {
  const kinds = ["attention.output.dense", "intermediate.dense", "output.dense", "attention.self.query"];
  expect([...shortNames(kinds).values()]).toEqual([
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
    "query",
  ]);
});

test.each([
  ["model.layers.0.self_attn.q_proj.weight", "attention"],
  ["bert.encoder.layer.0.attention.output.dense.bias", "attention"],
  ["transformer.h.0.attn.c_attn.weight", "attention"],
  ["model.layers.0.mlp.gate_proj.weight", "feed-forward"],
  ["model.decoder.layers.0.fc1.weight", "feed-forward"],
  ["model.layers.0.input_layernorm.weight", "norms"],
  ["model.layers.0.self_attn.q_norm.weight", "norms"],
  ["bert.encoder.layer.0.attention.output.LayerNorm.bias", "norms"],
  ["transformer.h.0.ln_1.weight", "norms"],
  ["bert.embeddings.LayerNorm.weight", "norms"],
  ["model.embed_tokens.weight", "embedding"],
  ["transformer.wpe.weight", "embedding"],
  ["bert.embeddings.token_type_embeddings.weight", "embedding"],
  ["bert.pooler.dense.weight", "other"],
])("%s is of the part %s", (tensor, part) => {
  expect(partOf(tensor)).toBe(part);
});
