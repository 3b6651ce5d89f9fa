import { elementType, type Graph, type GraphNode } from "./onnx.js";
import { frequenciesOf, type Rope } from "./rope.js";

/*
 * Where tokens stand, in the graph of a whole model: positions, which turn queries and keys, and slots, which say what
 * sees what. A slot is a token's place in its row of keys; with padding before a text positions fall behind slots.
 */

/** Nodes of a graph with the constants that they use. */
export type GraphPart = Pick<Graph, "nodes" | "constants">;

/**
 * `positions` `[batch, sequence]`, `keySlots` `[keys]` and `querySlots` `[sequence, 1]`, all int64. Without a cache
 * positions count from 0; with one they are an input, and queries take the last slots of `attention_mask`.
 */
export function positionNodes(cached: boolean): GraphPart {
  const nodes: GraphNode[] = [
    { op: "Shape", inputs: ["input_ids"], outputs: ["idsShape"] },
    { op: "Gather", inputs: ["idsShape", "one"], outputs: ["sequence"] },
    ...(cached ? cachedSlots : wholeSlots),
    { op: "Unsqueeze", inputs: ["newSlots", "last"], outputs: ["querySlots"] },
  ];
  return { nodes, constants: { zero: 0, one: 1, last: [-1], ...(cached && { inner: [1, 2] }) } };
}

const wholeSlots: readonly GraphNode[] = [
  { op: "Range", inputs: ["zero", "sequence", "one"], outputs: ["keySlots"] },
  { op: "Identity", inputs: ["keySlots"], outputs: ["newSlots"] },
  { op: "Expand", inputs: ["keySlots", "idsShape"], outputs: ["positions"] },
];

const cachedSlots: readonly GraphNode[] = [
  { op: "Identity", inputs: ["position_ids"], outputs: ["positions"] },
  { op: "Shape", inputs: ["attention_mask"], outputs: ["maskShape"] },
  { op: "Gather", inputs: ["maskShape", "one"], outputs: ["keys"] },
  { op: "Sub", inputs: ["keys", "sequence"], outputs: ["past"] },
  { op: "Range", inputs: ["zero", "keys", "one"], outputs: ["keySlots"] },
  { op: "Range", inputs: ["past", "keys", "one"], outputs: ["newSlots"] },
  // [batch, 1, 1, keys]
  { op: "Cast", inputs: ["attention_mask"], outputs: ["isText.flat"], attributes: { to: elementType.bool } },
  { op: "Unsqueeze", inputs: ["isText.flat", "inner"], outputs: ["isText"] },
];

/**
 * Cosines and sines of the positions, `<name>.cosine` and `<name>.sine`, `[batch, sequence, headSize / 2]`. Angles are
 * float64, as in `rotaryTables`.
 * @param length the longest window: dynamic scaling depends on it.
 */
export function rotaryNodes(name: string, rope: Rope, length: number): GraphPart {
  const { frequencies, attentionFactor } = frequenciesOf(rope, length);
  const turned = (op: "Cos" | "Sin", out: string): GraphNode[] => [
    { op, inputs: [`${name}.angles`], outputs: [`${out}.plain`] },
    { op: "Mul", inputs: [`${out}.plain`, `${name}.factor`], outputs: [`${out}.double`] },
    { op: "Cast", inputs: [`${out}.double`], outputs: [out], attributes: { to: elementType.float32 } },
  ];
  const nodes: GraphNode[] = [
    {
      op: "Cast",
      inputs: ["positions"],
      outputs: [`${name}.positions`],
      attributes: { to: elementType.float64 },
    },
    { op: "Unsqueeze", inputs: [`${name}.positions`, "last"], outputs: [`${name}.column`] },
    { op: "Mul", inputs: [`${name}.column`, `${name}.frequencies`], outputs: [`${name}.angles`] },
    ...turned("Cos", `${name}.cosine`),
    ...turned("Sin", `${name}.sine`),
  ];
  const constants = {
    [`${name}.frequencies`]: Float64Array.from(frequencies),
    [`${name}.factor`]: Float64Array.of(attentionFactor),
  };
  return { nodes, constants };
}

/**
 * Which keys a query sees, in the bool `<name>`: those up to its own slot, of a window only the last, and no padding.
 * Padding itself sees itself, as attention to nothing is NaN in some runtimes.
 * @param window a token sees itself and at most `window − 1` tokens before it; null: all before it.
 */
export function maskNodes(name: string, window: number | null, cached: boolean): GraphPart {
  const causal = `${name}.causal`;
  const recent = window === null ? causal : `${name}.recent`;
  const nodes: GraphNode[] = [
    { op: "LessOrEqual", inputs: ["keySlots", "querySlots"], outputs: [causal] },
    ...(window === null
      ? []
      : [
          { op: "Sub", inputs: ["querySlots", `${name}.window`], outputs: [`${name}.outside`] },
          { op: "Greater", inputs: ["keySlots", `${name}.outside`], outputs: [`${name}.inside`] },
          { op: "And", inputs: [causal, `${name}.inside`], outputs: [recent] },
        ]),
    ...(cached
      ? [
          { op: "Equal", inputs: ["keySlots", "querySlots"], outputs: [`${name}.own`] },
          { op: "Or", inputs: ["isText", `${name}.own`], outputs: [`${name}.known`] },
          { op: "And", inputs: [recent, `${name}.known`], outputs: [name] },
        ]
      : [{ op: "Identity", inputs: [recent], outputs: [name] }]),
  ];
  return { nodes, constants: window === null ? {} : { [`${name}.window`]: window } };
}
