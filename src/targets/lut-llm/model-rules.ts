import { LuthierError } from "../../error.js";
import { llama } from "../../model/architectures/llama.js";
import { type Config, headsOf, parseConfig } from "../../model/architectures/llama-config.js";
import type { ModelToJudge, NamedOutline } from "../container.js";
import type { Refusal } from "../target.js";
import { kernelRefusal } from "./kernel-rules.js";
import { idsOfBeat } from "./layout.js";
import type { LutLlmParameters } from "./parameters.js";
import { linearNames, projectionNames, projectionsOf } from "./projections.js";
import { type TabledOutline, tabledOutline } from "./tabled.js";

/** Why a model has no images of this target, though each of its linears may fit; null when it has. */
export function modelRefusal(
  { config, quantized, weightedNorms }: ModelToJudge,
  { fidelity }: LutLlmParameters,
): Refusal | null {
  if (!llama.modelTypes.includes(String(config.model_type))) {
    return {
      reason: `it is of the type ${config.model_type}, this target takes ${llama.modelTypes.join(", ")}`,
      fix: "choose another target for this model",
    };
  }
  try {
    const parsed = parseConfig(config);
    return (
      linearsRefusal(parsed, quantized) ??
      (fidelity === "kernel" ? kernelRefusal(parsed, weightedNorms) : null)
    );
  } catch (error) {
    if (error instanceof LuthierError) return { reason: error.message, fix: error.fix };
    throw error;
  }
}

function linearsRefusal(config: Config, quantized: readonly NamedOutline[]): Refusal | null {
  const asked = Array.from({ length: config.num_hidden_layers }, (_, layer) =>
    Object.values(linearNames(layer)).flat(),
  ).flat();
  const present = new Set(quantized.map(({ name }) => name));
  const missing = asked.filter((name) => !present.has(name));
  if (missing.length > 0) {
    return {
      reason: `${some(missing)} stay float, the images hold all seven linears of every block`,
      fix: "quantize them with `co-quantization` too, or choose another target",
    };
  }
  const blockLinears = new Set(asked);
  const others = quantized.filter(({ name }) => !blockLinears.has(name)).map(({ name }) => name);
  if (others.length > 0) {
    return {
      reason: `${some(others)} are quantized, the kernel computes the seven linears of every block and nothing else`,
      fix: "keep them float",
    };
  }
  const outlines = new Map<string, TabledOutline>();
  for (const { name, weight } of quantized) {
    const outline = tabledOutline(weight, { scheme: "float" });
    if ("reason" in outline) return null; // told by the linear itself
    outlines.set(name, outline);
  }
  return bitsRefusal(outlines) ?? blocksRefusal(config, (name) => outlines.get(name) as TabledOutline);
}

/** The kernel is built for one width of table entries. */
function bitsRefusal(outlines: ReadonlyMap<string, TabledOutline>): Refusal | null {
  const ofBits = (bits: number) =>
    [...outlines].filter(([, { table }]) => table.bits === bits).map(([name]) => name);
  const [four, eight] = [ofBits(4), ofBits(8)];
  if (four.length === 0 || eight.length === 0) return null;
  return {
    reason: `${some(four)} have uint4 tables, ${some(eight)} uint8 ones; the kernel reads one kind`,
    fix: "give all linears tables of the same bits",
  };
}

const ownBlocks = "leave blocks and scales to `co-quantization`";

function blocksRefusal(config: Config, outlineOf: (name: string) => TabledOutline): Refusal | null {
  const { heads, keyValueHeads } = headsOf(config);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const names = linearNames(layer);
    for (const projection of projectionNames) {
      const [first, ...rest] = names[projection];
      const { blocks } = outlineOf(first);
      for (const name of rest) {
        const other = outlineOf(name).blocks;
        if (other === blocks) continue;
        return {
          reason: `${first} has tables for ${blocks} blocks of outputs, ${name} for ${other}; they are one projection`,
          fix: ownBlocks,
        };
      }
      if (projection === "qkv" && keyValueHeads % blocks !== 0) {
        return {
          reason: `${first} has tables for ${blocks} blocks of outputs, which are no whole groups of ${keyValueHeads} key-value heads`,
          fix: ownBlocks,
        };
      }
      for (const [i, name] of names[projection].entries()) {
        const asked = projection !== "qkv" ? 1 : i === 0 ? heads : keyValueHeads;
        const { scales } = outlineOf(name).table;
        if (scales === asked) continue;
        return {
          reason: `${name} has ${scales} scales, the kernel reads ${asked === 1 ? "one" : `one a head: ${asked}`}`,
          fix: ownBlocks,
        };
      }
    }
  }
  const ragged = projectionsOf(config, outlineOf).find(({ outputs }) => outputs % idsOfBeat !== 0);
  if (ragged === undefined) return null;
  return {
    reason: `${some(ragged.members.map(({ name }) => name))} have ${ragged.outputs} outputs in all, ids come ${idsOfBeat} a beat`,
    fix: "choose another target for this model",
  };
}

/** `a, b, c and 4 more` */
function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(", ");
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
