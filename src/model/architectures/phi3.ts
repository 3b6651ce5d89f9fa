import { z } from "zod";
import { columnRuns, type Matrix } from "../../tensor/matrix.js";
import type { Architecture, ComputingContext, LinearInfo } from "../architecture.js";
import type { Rope } from "../rope.js";
import { namedActivation, parseFamilyConfig } from "./family-config.js";
import { blockName, describeGrouped, groupedKeys, headsOf, lastNorm, rmsNorm } from "./grouped-decoder.js";
import { plainLinear } from "./plain-linear.js";
import { residualBlock } from "./residual-block.js";
import { ropeOf } from "./rotary-config.js";

/*
 * Phi-3 (arXiv 2404.14219) and Phi-4: a Llama whose queries, keys and values come out of one linear, gate and up out of
 * another; long contexts by LongRoPE.
 */

export const phi3: Architecture = {
  name: "phi3",
  modelTypes: ["phi3"],
  kinds: ["causal", "classification"],

  describe(raw, shapeOf) {
    const config = parseConfig(raw);
    rotation(config);
    const blocks = Array.from({ length: config.num_hidden_layers }, (_, index) =>
      blockLinears(index, config),
    );
    const decoder = { config, blocks, isTied: config.tie_word_embeddings, norms: () => norms };
    return describeGrouped(raw, decoder, shapeOf);
  },

  async openBlock(index, context: ComputingContext) {
    const config = parseConfig(context.config);
    const { ops, executor } = context;
    const [beforeAttention, beforeFeedForward] = await Promise.all(
      norms.map((norm) => rmsNorm(`${blockName(index)}.${norm}`, config.rms_norm_eps, context)),
    );
    const [qkv, o, gateUp, down] = blockLinears(index, config).map(({ name }) => name);
    const { heads, keyValueHeads, headSize } = headsOf(config);
    const [ofQueries, ofKeys] = [heads * headSize, keyValueHeads * headSize];
    const { intermediate_size: wide, sliding_window: window = null } = config;
    const activation = namedActivation(config.hidden_act);
    const rope = rotation(config);

    const attend = async (hidden: Matrix, length: number) => {
      const [fused] = await executor.run([qkv], await beforeAttention(hidden));
      return ops.attention({
        query: columnRuns(fused, [0], ofQueries),
        key: columnRuns(fused, [ofQueries], ofKeys),
        value: columnRuns(fused, [ofQueries + ofKeys], ofKeys),
        ...{ heads, keyValueHeads, headSize, length, rope, norms: null, window },
      });
    };
    const widen = async (middle: Matrix) => {
      const [fused] = await executor.run([gateUp], await beforeFeedForward(middle));
      const [gate, up] = [columnRuns(fused, [0], wide), columnRuns(fused, [wide], wide)];
      return ops.gatedActivation(gate, up, activation);
    };
    return residualBlock(context, { attend, attentionOutput: o, widen, feedForwardOutput: down });
  },

  async finalNorm(hidden, context) {
    const norm = await rmsNorm(lastNorm, parseConfig(context.config).rms_norm_eps, context);
    return norm(hidden);
  },
};

/** Before attention and before the feed-forward layer. */
const norms = ["input_layernorm", "post_attention_layernorm"];

const configSchema = z.looseObject({
  ...groupedKeys,
  rms_norm_eps: z.number().positive().default(1e-5),
  hidden_act: z.string().default("silu"),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.literal(false).default(false),
});

type Config = z.infer<typeof configSchema>;

function parseConfig(raw: Readonly<Record<string, unknown>>): Config {
  return parseFamilyConfig(configSchema, raw, "Phi-3");
}

/** LongRoPE went by other names in the first configurations. */
function rotation(config: Config): Rope {
  const { rope_scaling: scaling } = config;
  const isRenamed = scaling?.type === "su" || scaling?.type === "yarn";
  const renamed = isRenamed ? { ...scaling, type: "longrope" } : scaling;
  return ropeOf({ ...config, rope_scaling: renamed }, headsOf(config).headSize, 10_000);
}

/** Queries, keys and values together, attention's output, gate and up together, and down. */
function blockLinears(index: number, config: Config): readonly LinearInfo[] {
  const { heads, keyValueHeads, headSize } = headsOf(config);
  const { hidden_size: hidden, intermediate_size: wide } = config;
  const block = blockName(index);
  const linear = (name: string, rows: number, columns: number) =>
    plainLinear(`${block}.${name}`, rows, columns, { hasBias: false });
  return [
    linear("self_attn.qkv_proj", (heads + 2 * keyValueHeads) * headSize, hidden),
    linear("self_attn.o_proj", hidden, heads * headSize),
    linear("mlp.gate_up_proj", 2 * wide, hidden),
    linear("mlp.down_proj", hidden, wide),
  ];
}
