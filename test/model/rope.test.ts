import { describe, expect, test } from "vitest";
import { checkRope, type Rope, rotaryTables } from "../../src/model/rope.js";

/* What each kind of scaling computes is held against transformers in architectures/llama.test.ts. */

const plain: Rope = { rotatedSize: 8, theta: 10_000, contextLength: 32, scaling: null };

test("a pair of dimensions turns by position · theta^(−2i / rotatedSize) radians", () => {
  const { cosine, sine } = rotaryTables(plain, 5);
  const [position, i] = [3, 2];
  const angle = 3 * 10_000 ** (-4 / 8);
  expect(cosine[position * 4 + i]).toBeCloseTo(Math.cos(angle), 7);
  expect(sine[position * 4 + i]).toBeCloseTo(Math.sin(angle), 7);
});

test("position 0 does not turn", () => {
  const { cosine, sine } = rotaryTables(plain, 1);
  expect([...cosine]).toEqual([1, 1, 1, 1]);
  expect([...sine]).toEqual([0, 0, 0, 0]);
});

test("linear scaling by 2 gives a position the angles of half of it", () => {
  const scaled = rotaryTables({ ...plain, scaling: { type: "linear", factor: 2 } }, 7);
  const unscaled = rotaryTables(plain, 4);
  expect([...scaled.sine.subarray(6 * 4, 7 * 4)]).toEqual([...unscaled.sine.subarray(3 * 4, 4 * 4)]);
});

test("dynamic scaling changes nothing within the original context", () => {
  const scaling = { rope_type: "dynamic", factor: 4 };
  expect(rotaryTables({ ...plain, scaling }, 32)).toEqual(rotaryTables(plain, 32));
});

test("llama3 scaling divides the slowest frequencies by its factor and keeps the fastest", () => {
  const scaling = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 32,
  };
  const { sine } = rotaryTables({ ...plain, scaling }, 2);
  expect(sine[4]).toBeCloseTo(Math.sin(1), 7);
  expect(sine[4 + 3]).toBeCloseTo(Math.sin(10_000 ** (-6 / 8) / 8), 9);
});

test("yarn takes its factor from the contexts when it has none of its own", () => {
  const scaling = { rope_type: "yarn", original_max_position_embeddings: 8 };
  const given = { ...scaling, factor: 4 };
  expect(rotaryTables({ ...plain, scaling }, 9)).toEqual(rotaryTables({ ...plain, scaling: given }, 9));
});

test("longrope divides by its short factors within the original context and by its long ones beyond it", () => {
  const scaling = {
    ...{ type: "longrope", original_max_position_embeddings: 8 },
    ...{ short_factor: [1, 1, 1, 2], long_factor: [1, 1, 1, 10] },
  };
  const rope = { ...plain, scaling };
  const magnitude = Math.sqrt(1 + Math.log(32 / 8) / Math.log(8));
  const slowest = (length: number) => Math.asin(rotaryTables(rope, length).sine[4 + 3] / magnitude);
  expect(slowest(8)).toBeCloseTo(10_000 ** (-6 / 8) / 2, 9);
  expect(slowest(9)).toBeCloseTo(10_000 ** (-6 / 8) / 10, 9);
  expect(rotaryTables(rope, 8).cosine[0]).toBeCloseTo(magnitude, 6);
});

test("longrope with too few factors is refused", () => {
  const scaling = { type: "longrope", short_factor: [1, 1, 1, 1], long_factor: [1, 1] };
  expect(() => checkRope({ ...plain, scaling }, { longrope: true })).toThrow(
    "rope_scaling.long_factor has 2 factors for 4 pairs",
  );
});

test("yarn of Qwen2.5 (factor 4, heads of 128) ramps from pair 23 to pair 40 by default", () => {
  // 32 turns within 32,768 positions fall on pair 23.6, one turn on pair 39.7; between them are 17 steps.
  const scaling = { type: "yarn", factor: 4, original_max_position_embeddings: 32_768 };
  const { sine, cosine } = rotaryTables({ rotatedSize: 128, theta: 1e6, contextLength: 32_768, scaling }, 2);
  const magnitude = 0.1 * Math.log(4) + 1;
  expect(cosine[0]).toBeCloseTo(magnitude, 6);
  const shareOf = (pair: number) => Math.asin(sine[64 + pair] / magnitude) / 10 ** ((-6 * pair) / 64);
  expect(shareOf(23)).toBeCloseTo(1, 6);
  expect(shareOf(24)).toBeCloseTo(16 / 17 + 1 / 17 / 4, 6);
  expect(shareOf(39)).toBeCloseTo(1 / 17 + 16 / 17 / 4, 6);
  expect(shareOf(40)).toBeCloseTo(1 / 4, 6);
});

describe("what is not known is refused", () => {
  test("a kind of scaling, with those that are known", () => {
    expect(() => checkRope({ ...plain, scaling: { rope_type: "longrope" } })).toThrow(
      "rope scaling 'longrope'; known are default, linear, dynamic, llama3, yarn",
    );
  });

  test.each(["constructor", "__proto__"])("a kind of scaling named %s", (kind) => {
    expect(() => checkRope({ ...plain, scaling: { rope_type: kind } })).toThrow(`rope scaling '${kind}'`);
  });

  test("a scaling without its factor", () => {
    expect(() => checkRope({ ...plain, scaling: { type: "linear" } })).toThrow(
      "rope scaling 'linear' without its factor",
    );
  });

  test("parameters that differ between layers", () => {
    const scaling = { full_attention: { rope_type: "default" } };
    expect(() => checkRope({ ...plain, scaling })).toThrow("rope_parameters.full_attention is an object");
  });
});
